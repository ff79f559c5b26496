"""The workers' Deployment: the whole of it once, then what each setting changes in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.fakes.observations import SETTINGS, view_of

from crawl_core.errors import SpecError
from crawl_core.spec import read_crawljob
from crawl_operator.decide.manifests import LONGEST_REQUEST_S, workers_deployment
from crawl_operator.values import names
from crawl_operator.values.model import Key, WorkerSettings

ROOT = Path(__file__).parents[2]
SELECTOR = {
    "app.kubernetes.io/name": "artistcrawl",
    "app.kubernetes.io/component": "worker",
    "app.kubernetes.io/managed-by": "artistcrawl-operator",
    "artistcrawl.dev/crawljob": "quickstart",
}
QUICKSTART = """
replicas: 2
strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 1, maxSurge: 0}}
revisionHistoryLimit: 2
progressDeadlineSeconds: 600
pod:
  automountServiceAccountToken: false
  enableServiceLinks: false
  shareProcessNamespace: true
  terminationGracePeriodSeconds: 135
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  tolerations:
  - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 30}
  - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 30}
  volumes: [{name: tmp, emptyDir: {sizeLimit: 64Mi}}]
  containers:
  - name: worker
    image: artistcrawl/worker:dev
    imagePullPolicy: IfNotPresent
    command: [artistcrawl]
    args:
    - worker
    - --job=music/quickstart
    - --once-done=idle
    - --probe-port=8080
    - --worker-name=$(POD_NAME)
    - --node=$(NODE_ADDRESS)
    - --base-url=http://sandbox:8080
    env:
    - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: NODE_ADDRESS, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
    - name: ARTISTCRAWL_POSTGRES_URL
      valueFrom: {secretKeyRef: {name: artistcrawl-backends, key: postgres-url}}
    - name: ARTISTCRAWL_REDIS_URL
      valueFrom: {secretKeyRef: {name: artistcrawl-backends, key: redis-url}}
    - {name: ARTISTCRAWL_METRICS_PORT, value: "9090"}
    ports:
    - {name: probes, containerPort: 8080, protocol: TCP}
    - {name: metrics, containerPort: 9090, protocol: TCP}
    startupProbe: {httpGet: {path: /healthz, port: probes}, periodSeconds: 2, timeoutSeconds: 5, failureThreshold: 60}
    livenessProbe: {httpGet: {path: /healthz, port: probes}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6}
    readinessProbe: {httpGet: {path: /readyz, port: probes}, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 3}
    resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 256Mi}}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      runAsNonRoot: true
      capabilities: {drop: [ALL]}
    volumeMounts: [{name: tmp, mountPath: /tmp}]
"""


def made(spec: dict[str, Any] | None = None, settings: WorkerSettings = SETTINGS) -> dict[str, Any]:
    return workers_deployment(view_of(spec), settings=settings, replicas=2)


def pod(spec: dict[str, Any] | None = None, settings: WorkerSettings = SETTINGS) -> dict[str, Any]:
    found: dict[str, Any] = made(spec, settings)["spec"]["template"]["spec"]
    return found


def container(spec: dict[str, Any] | None = None, settings: WorkerSettings = SETTINGS) -> dict[str, Any]:
    found: dict[str, Any] = pod(spec, settings)["containers"][0]
    return found


def test_the_quickstart_gets_this_deployment() -> None:
    job = read_crawljob(ROOT / "k8s" / "samples" / "quickstart.yaml")
    view = replace(view_of(), key=Key("music", "quickstart"), job=job)
    manifest = workers_deployment(view, settings=SETTINGS, replicas=2)
    expected = yaml.safe_load(QUICKSTART)
    expected["pod"]["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": SELECTOR},
        }
    ]
    template = manifest["spec"]["template"]
    assert template["spec"] == expected.pop("pod")
    assert template["metadata"]["labels"] == SELECTOR
    del manifest["spec"]["template"]
    assert manifest["spec"].pop("selector") == {"matchLabels": SELECTOR}
    assert manifest["spec"] == expected


def test_the_deployment_belongs_to_its_crawljob() -> None:
    metadata = made()["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("artists-workers", "music")
    assert metadata["ownerReferences"] == [
        {
            "apiVersion": "artistcrawl.dev/v1alpha1",
            "kind": "CrawlJob",
            "name": "artists",
            "uid": "uid-1",
            "controller": True,
        }
    ]


def test_the_selector_is_what_the_status_says_and_holds_no_label_of_the_user() -> None:
    selector = made({"workers": {"labels": {"team": "data"}}})["spec"]["selector"]["matchLabels"]
    assert ",".join(f"{key}={value}" for key, value in sorted(selector.items())) == names.selector_text("artists")


def test_the_users_labels_stand_on_the_deployment_and_its_pods() -> None:
    manifest = made({"workers": {"labels": {"kueue.x-k8s.io/queue-name": "crawls"}}})
    for labels in (manifest["metadata"]["labels"], manifest["spec"]["template"]["metadata"]["labels"]):
        assert labels["kueue.x-k8s.io/queue-name"] == "crawls"


def test_nobodys_label_replaces_one_that_selects() -> None:
    taken = {"app.kubernetes.io/name": "mine"}
    manifest = made({"workers": {"labels": taken}}, replace(SETTINGS, labels=taken))
    assert manifest["metadata"]["labels"]["app.kubernetes.io/name"] == "artistcrawl"
    assert manifest["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"] == "artistcrawl"


def test_a_label_of_the_crawljob_wins_over_one_of_the_operator() -> None:
    manifest = made({"workers": {"labels": {"team": "data"}}}, replace(SETTINGS, labels={"team": "ops", "tier": "1"}))
    labels = manifest["spec"]["template"]["metadata"]["labels"]
    assert (labels["team"], labels["tier"]) == ("data", "1")


def test_a_restart_that_is_asked_for_changes_the_pods_and_nothing_else() -> None:
    asked = replace(view_of(), annotations={names.ANNOTATION_RESTART: "now"})
    before, after = (workers_deployment(view, settings=SETTINGS, replicas=1) for view in (view_of(), asked))
    changed = [each["spec"]["template"]["metadata"].pop("annotations") for each in (before, after)]
    assert changed[0] != changed[1]
    assert before["spec"] == after["spec"]


def test_credentials_are_mounted_as_files_and_named_to_the_worker() -> None:
    spec = {"source": {"credentialsSecretRef": {"name": "spotify"}}}
    secret = {
        "secretName": "spotify",
        "items": [{"key": "client-id", "path": "client-id"}, {"key": "client-secret", "path": "client-secret"}],
    }
    assert {"name": "credentials", "secret": secret} in pod(spec)["volumes"]
    mount = {"name": "credentials", "mountPath": "/etc/artistcrawl/credentials", "readOnly": True}
    assert mount in container(spec)["volumeMounts"]
    assert "--credentials=/etc/artistcrawl/credentials" in container(spec)["args"]


def test_no_secret_is_in_a_variable_but_the_addresses_of_the_backends() -> None:
    spec = {"source": {"credentialsSecretRef": {"name": "spotify"}}, "backendsSecretRef": {"name": "mine"}}
    sources = [each.get("valueFrom", {}) for each in container(spec)["env"]]
    used = [each["secretKeyRef"] for each in sources if "secretKeyRef" in each]
    assert used == [{"name": "mine", "key": "postgres-url"}, {"name": "mine", "key": "redis-url"}]


def test_the_address_of_the_sandbox_is_told_only_to_jobs_that_name_none() -> None:
    assert "--base-url=http://sandbox:8080" in container()["args"]
    assert not [each for each in container({"source": {"baseURL": "http://other"}})["args"] if "base-url" in each]


def test_the_address_of_the_sandbox_is_never_told_to_workers_of_the_real_api() -> None:
    spec = {"source": {"type": "Spotify", "termsAccepted": True, "credentialsSecretRef": {"name": "spotify"}}}
    assert not [each for each in container(spec)["args"] if "base-url" in each]


def test_a_pod_has_time_to_finish_the_longest_request_that_its_job_may_come_to_allow() -> None:
    longest = f"{LONGEST_REQUEST_S}s"
    for timeout in ("1s", longest):
        assert pod({"source": {"requestTimeout": timeout}})["terminationGracePeriodSeconds"] > LONGEST_REQUEST_S
    with pytest.raises(SpecError, match=longest):
        pod({"source": {"requestTimeout": f"{LONGEST_REQUEST_S + 1}s"}})


def test_resources_are_the_specs_where_it_has_any() -> None:
    said = {"requests": {"cpu": 2}}
    assert container({"workers": {"resources": said}})["resources"] == said


def test_a_toleration_of_lost_nodes_in_the_spec_replaces_ours() -> None:
    mine = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    found = pod({"workers": {"tolerations": [mine]}})["tolerations"]
    assert [(each["key"], each["tolerationSeconds"]) for each in found] == [
        ("node.kubernetes.io/not-ready", 5),
        ("node.kubernetes.io/unreachable", 30),
    ]


def test_a_toleration_of_everything_leaves_no_room_for_ours() -> None:
    assert pod({"workers": {"tolerations": [{"operator": "Exists"}]}})["tolerations"] == [{"operator": "Exists"}]


def test_a_toleration_of_something_else_stands_beside_ours() -> None:
    mine = {"key": "spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"}
    assert pod({"workers": {"tolerations": [mine]}})["tolerations"][0] == mine
    assert len(pod({"workers": {"tolerations": [mine]}})["tolerations"]) == 3


def test_where_pods_run_is_handed_on() -> None:
    found = pod({"workers": {"nodeSelector": {"disk": "ssd"}, "priorityClassName": "low"}})
    assert (found["nodeSelector"], found["priorityClassName"]) == ({"disk": "ssd"}, "low")


def test_what_the_administrator_says_about_pods_is_handed_on() -> None:
    settings = replace(
        SETTINGS,
        image_pull_policy="Never",
        image_pull_secrets=("a", "b"),
        service_account="crawler",
        annotations={"note": "x"},
        environment={"TZ": "UTC", "ARTISTCRAWL_REDIS_URL": "redis://elsewhere"},
    )
    found = pod(settings=settings)
    assert found["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]
    assert (found["serviceAccountName"], found["automountServiceAccountToken"]) == ("crawler", False)
    assert container(settings=settings)["imagePullPolicy"] == "Never"
    assert {"name": "TZ", "value": "UTC"} in container(settings=settings)["env"]
    assert made(settings=settings)["spec"]["template"]["metadata"]["annotations"]["note"] == "x"


def test_no_variable_is_said_twice() -> None:
    settings = replace(SETTINGS, environment={"ARTISTCRAWL_REDIS_URL": "redis://elsewhere", "POD_NAME": "x"})
    said = [each["name"] for each in container(settings=settings)["env"]]
    assert len(said) == len(set(said)) == 5


def test_pods_keep_to_the_restricted_pod_security_standard() -> None:
    found = pod({"source": {"credentialsSecretRef": {"name": "spotify"}}})
    assert not {"hostNetwork", "hostPID", "hostIPC"} & found.keys()
    assert {next(iter(volume.keys() - {"name"})) for volume in found["volumes"]} <= {"emptyDir", "secret"}
    assert found["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    for each in found["containers"]:
        context = each["securityContext"]
        assert (context["allowPrivilegeEscalation"], context["capabilities"]) == (False, {"drop": ["ALL"]})
        assert context["runAsNonRoot"]
        assert not [port for port in each["ports"] if "hostPort" in port]


def test_a_crawljob_with_an_invalid_spec_has_no_deployment() -> None:
    with pytest.raises(ValueError, match="no valid spec"):
        workers_deployment(replace(view_of(), job=None), settings=SETTINGS, replicas=1)
