#!/usr/bin/env python
"""`helm test`: crawl 36 strings of the sandbox, and count the rows that came of it.

Runs in the operator's image, with a service account that may do this and nothing else. Its CrawlJob is deleted at the
end, whatever came of it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

import psycopg
from kubernetes import client, config

GROUP, VERSION, PLURAL = "artistcrawl.dev", "v1alpha1", "crawljobs"
NAMESPACE, NAME = os.environ["TEST_NAMESPACE"], os.environ["TEST_NAME"]
TIMEOUT_S = float(os.environ["TEST_TIMEOUT_S"])
STRINGS = 36
CRAWLJOB = {
    "apiVersion": f"{GROUP}/{VERSION}",
    "kind": "CrawlJob",
    "metadata": {"name": NAME},
    "spec": {
        "keyspace": {"minLength": 1, "maxLength": 1},
        "rateLimit": {"requests": 100, "window": "1s", "bucket": "Job"},
        "workers": {"max": 1},
        "backendsSecretRef": {"name": os.environ["TEST_BACKENDS"]},
        "dataPolicy": "Delete",
    },
}


def main() -> int:
    """Return the exit status; what happened is printed."""
    # A pod that is deleted, or late, is told so by SIGTERM: that too ends in `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    config.load_incluster_config()
    api = client.CustomObjectsApi()
    remove(api)
    try:
        api.create_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, CRAWLJOB)
        job = finished(api)
        if job is None:
            return 1
        rows = count_rows()
        artists = job["status"].get("artists", 0)
        print(f"{rows} of {STRINGS} searches are in PostgreSQL, {artists} artists were returned", flush=True)
        return 0 if rows == STRINGS and artists > 0 else 1
    finally:
        remove(api)


def finished(api: client.CustomObjectsApi) -> dict[str, Any] | None:
    """Wait until the CrawlJob has succeeded, and tell how far it is. None when it has not in time."""
    job: dict[str, Any] = {}
    shown = ""
    deadline_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline_s:
        job = api.get_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, NAME)
        status = job.get("status", {})
        line = f"{status.get('state', 'no status yet')} {status.get('progress', '')}"
        if line != shown:
            print(line, flush=True)
            shown = line
        conditions = {condition["type"]: condition["status"] for condition in status.get("conditions", ())}
        if conditions.get("Succeeded") == "True":
            return job
        time.sleep(1)
    print(f"CrawlJob {NAMESPACE}/{NAME} has not succeeded in {TIMEOUT_S:.0f} s. Its conditions:")
    for condition in job.get("status", {}).get("conditions", ()):
        verdict = f"{condition['type']}={condition['status']}"
        print(f"  {verdict} {condition['reason']}: {condition.get('message', '')}")
    if not job.get("status"):
        print("  none: is the operator up, and does it watch this namespace?")
    return None


def count_rows() -> int:
    """Return how many strings the ledger has as searched."""
    with psycopg.connect(os.environ["ARTISTCRAWL_POSTGRES_URL"], connect_timeout=10) as connection:
        row = connection.execute(
            "SELECT count(*) FROM searches WHERE namespace = %s AND name = %s", (NAMESPACE, NAME)
        ).fetchone()
    return int(row[0]) if row else 0


def remove(api: client.CustomObjectsApi) -> None:
    """Delete the CrawlJob and wait until it is gone; its rows go with it."""
    try:
        api.delete_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, NAME)
        for _ in range(60):
            api.get_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, NAME)
            time.sleep(1)
    except client.ApiException as error:
        if error.status != 404:
            raise
        return
    raise SystemExit(f"CrawlJob {NAMESPACE}/{NAME} is still Terminating after 60 s: is the operator up?")


if __name__ == "__main__":
    sys.exit(main())
