"""What Prometheus's own discovery of pods would say, for builds of it that have none (Debian's).

It runs in a pod, on Python's own library alone, and answers Prometheus's http_sd: the documented relabel_configs work
on it as on the real one.
"""

from __future__ import annotations

import http.server
import json
import os
import ssl
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SELECTOR = "app.kubernetes.io/name=artistcrawl"
PORT = 9099


def pods() -> list[dict[str, Any]]:
    """Of this pod's namespace."""
    namespace = (ACCOUNT / "namespace").read_text()
    query = urllib.parse.urlencode({"labelSelector": SELECTOR})
    server = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
    request = urllib.request.Request(f"{server}/api/v1/namespaces/{namespace}/pods?{query}")
    request.add_header("Authorization", f"Bearer {(ACCOUNT / 'token').read_text()}")
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, context=context, timeout=5) as answer:
        items: list[dict[str, Any]] = json.loads(answer.read())["items"]
        return items


def targets(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """One a port of each container, as Prometheus's discovery has them."""
    address = pod["status"].get("podIP")
    return [
        {
            "targets": [f"{address}:{port['containerPort']}"],
            "labels": {
                "__meta_kubernetes_namespace": pod["metadata"]["namespace"],
                "__meta_kubernetes_pod_name": pod["metadata"]["name"],
                "__meta_kubernetes_pod_phase": pod["status"].get("phase", ""),
                "__meta_kubernetes_pod_node_name": pod["spec"].get("nodeName", ""),
                "__meta_kubernetes_pod_container_name": container["name"],
                "__meta_kubernetes_pod_container_port_name": port.get("name", ""),
            },
        }
        for container in pod["spec"]["containers"]
        for port in container.get("ports", [])
        if address
    ]


class Answers(http.server.BaseHTTPRequestHandler):
    """GET / is the list."""

    def do_GET(self) -> None:
        body = json.dumps([target for pod in pods() for target in targets(pod)]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Answers).serve_forever()
