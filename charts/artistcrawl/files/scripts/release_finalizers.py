#!/usr/bin/env python
"""After `helm uninstall`: take our finalizer off the CrawlJobs, since nobody is there any more to act on it.

Nothing else of them is touched: the next operator puts the finalizer back where dataPolicy is Delete.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from kubernetes import client, config

GROUP, VERSION, PLURAL = "artistcrawl.dev", "v1alpha1", "crawljobs"
FINALIZER = f"{GROUP}/data"
ATTEMPTS = 5


def main() -> int:
    """Return the exit status; what was done is printed."""
    config.load_incluster_config()
    api = client.CustomObjectsApi()
    namespaces = [name for name in os.environ["ARTISTCRAWL_NAMESPACES"].split(",") if name]
    for job in crawljobs(api, namespaces):
        release(api, job["metadata"]["namespace"], job["metadata"]["name"])
    return 0


def crawljobs(api: client.CustomObjectsApi, namespaces: list[str]) -> list[dict[str, Any]]:
    """Return the CrawlJobs of the namespaces, of all of them where none is named; [] when the CRD is gone."""
    try:
        if not namespaces:
            return list(api.list_cluster_custom_object(GROUP, VERSION, PLURAL)["items"])
        lists = [api.list_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL) for namespace in namespaces]
    except client.ApiException as error:
        if error.status == 404:
            return []
        raise
    return [job for jobs in lists for job in jobs["items"]]


def release(api: client.CustomObjectsApi, namespace: str, name: str) -> None:
    """Take the finalizer off, at the version that was read."""
    for _ in range(ATTEMPTS):
        try:
            metadata = api.get_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, name)["metadata"]
            others = [name for name in metadata.get("finalizers", ()) if name != FINALIZER]
            if len(others) == len(metadata.get("finalizers", ())):
                return
            patch = {"metadata": {"finalizers": others, "resourceVersion": metadata["resourceVersion"]}}
            api.patch_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, name, patch)
        except client.ApiException as error:
            if error.status == 404:
                return
            if error.status != 409:
                raise
        else:
            left = "its rows stay in the ledger" if "deletionTimestamp" in metadata else "it stays"
            print(f"CrawlJob {namespace}/{name}: released, {left}", flush=True)
            return
    raise SystemExit(f"CrawlJob {namespace}/{name} keeps changing; is another operator still up?")


if __name__ == "__main__":
    sys.exit(main())
