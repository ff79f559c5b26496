"""A Prometheus in the cluster. It scrapes operators and workers by the block of k8s/README.md that is for one without
the Prometheus operator, so that the page is tested with it; all but the discovery itself, see pod_discovery.

    with prometheus_beside(release) as server: server.query("artistcrawl_operator_leader")
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.cluster import pod_discovery
from support.cluster.kube import eventually, forwarded
from support.cluster.kube_release import TAG, Release
from support.processes.prometheus_process import Prometheus
from support.proofs.documented_scrape import documented_configuration

IMAGE = "prom/prometheus:v2.42.0"
NAME = "prometheus"
SCRAPE_S = 1


@contextmanager
def prometheus_beside(release: Release, *, rules: Sequence[Path] = ()) -> Iterator[Prometheus]:
    """One in the release's namespace, which looks at nothing else; scrapes each second, since tests are short."""
    release.kubectl("apply", "-f", "-", stdin=json.dumps(_objects(release, rules)))
    try:
        release.kubectl("wait", "--for=condition=Ready", f"pod/{NAME}", "--timeout=120s")
        with forwarded(release.namespace, f"pod/{NAME}", 9090) as port:
            server = Prometheus(f"http://127.0.0.1:{port}")
            eventually(lambda: server.reached("up"), "a first scrape")
            yield server
    finally:
        release.kubectl("delete", "pod", NAME, "--wait=false", "--grace-period=1")


def _objects(release: Release, rules: Sequence[Path]) -> dict[str, Any]:
    named = {"name": NAME, "namespace": release.namespace}
    scrapes = documented_configuration()["scrape_configs"]
    for scrape in scrapes:
        scrape["scrape_interval"] = f"{SCRAPE_S}s"
        (discovery,) = scrape.pop("kubernetes_sd_configs")
        assert discovery["selectors"] == [{"role": "pod", "label": pod_discovery.SELECTOR}]
        scrape["http_sd_configs"] = [{"url": f"http://127.0.0.1:{pod_discovery.PORT}/", "refresh_interval": "1s"}]
    config = {
        "global": {"evaluation_interval": f"{SCRAPE_S}s"},
        "rule_files": ["/etc/prometheus/*.rules.yaml"],
        "scrape_configs": scrapes,
    }
    files = {"prometheus.yml": json.dumps(config), **{f"{rule.stem}.rules.yaml": rule.read_text() for rule in rules}}
    rights = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    subject = {"kind": "ServiceAccount", **named}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME}
    container = {
        "name": "prometheus",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/data", "--log.level=warn"],
        "ports": [{"name": "web", "containerPort": 9090}],
        "readinessProbe": {"httpGet": {"path": "/-/ready", "port": "web"}, "periodSeconds": 1},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/prometheus"}, {"name": "data", "mountPath": "/data"}],
    }
    discovery_container = {
        "name": "discovery",
        "image": f"artistcrawl/operator:{TAG}",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "/etc/prometheus/discovery.py"],
        "volumeMounts": [{"name": "config", "mountPath": "/etc/prometheus"}],
    }
    files["discovery.py"] = Path(pod_discovery.__file__).read_text()
    pod = {
        "serviceAccountName": NAME,
        "securityContext": {"fsGroup": 65534},
        "containers": [container, discovery_container],
        "volumes": [{"name": "config", "configMap": {"name": NAME}}, {"name": "data", "emptyDir": {}}],
    }
    rbac = "rbac.authorization.k8s.io/v1"
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named},
            {"apiVersion": rbac, "kind": "Role", "metadata": named, "rules": rights},
            {"apiVersion": rbac, "kind": "RoleBinding", "metadata": named, "subjects": [subject], "roleRef": role},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "data": files},
            {"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": pod},
        ],
    }
