"""What the operator may do in a cluster: all that it needs by the chart's roles, and nothing that it never does."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client
from support.processes.operator_process import OperatorProcess, Scene
from support.processes.recording_proxy import Recording, Use, recording_proxy
from support.processes.servers import unavailable

CHART = Path(__file__).parents[2] / "charts" / "artistcrawl"
TEMPLATES = ("serviceaccount", "rbac")
Granted = dict[str, set[Use]]
"""By namespace; "" is the whole cluster."""
RBAC_GROUP = "rbac.authorization.k8s.io"

FINISHED = """
UPDATE crawl_range SET state = 'done', cursor = NULL, covered = total
FROM crawl_run JOIN crawl_job ON run_id = crawl_run.id
WHERE crawl_run.id = crawl_range.run_id AND crawl_job.name = 'short'
"""


def rendered(scene: Scene, *values: str) -> list[dict[str, Any]]:
    """The chart's account, roles and bindings, as Helm installs them."""
    command = ["helm", "template", "artistcrawl", str(CHART), "-n", scene.namespace, "--kube-version", "1.34.0"]
    command += [f"--show-only=templates/operator/{each}.yaml" for each in TEMPLATES]
    command += [f"--set={each}" for each in values]
    try:
        done = subprocess.run(command, env=dict(scene.server.environment), capture_output=True, text=True, check=False)
    except FileNotFoundError:
        unavailable("helm is not on PATH")
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def granted(documents: list[dict[str, Any]]) -> Granted:
    """What the roles allow, right by right."""
    found: Granted = {}
    for role in documents:
        if role["kind"] in ("Role", "ClusterRole"):
            here = found.setdefault(role["metadata"].get("namespace", ""), set())
            here |= {right for rule in role["rules"] for right in rights(rule)}
    return found


def rights(rule: dict[str, list[str]]) -> Iterator[Use]:
    """The rights that a rule gives."""
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for name in rule.get("resourceNames", [""]):
                yield from (Use(verb, group, resource, name) for verb in rule["verbs"])


def used(recording: Recording, allowed: Granted) -> Granted:
    """What was made use of; names count where a rule names objects."""
    named = {(right.verb, right.group, right.resource) for each in allowed.values() for right in each if right.name}
    found: Granted = {}
    for namespace, use in recording.uses:
        right = use if use[:3] in named else use._replace(name="")
        found.setdefault(namespace, set()).add(right)
    return found


@contextmanager
def installed(scene: Scene, documents: list[dict[str, Any]]) -> Iterator[tuple[Recording, Path]]:
    """The chart's account and its rights; what it does is recorded by who takes the kubeconfig."""
    scene.server.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))
    account = next(each["metadata"]["name"] for each in documents if each["kind"] == "ServiceAccount")
    token = scene.kubectl("create", "token", account).strip()
    found = yaml.safe_load(scene.server.kubeconfig.read_text())
    found["users"] = [{"name": account, "user": {"token": token}}]
    found["contexts"][0]["context"]["user"] = account
    path = scene.folder / f"of-{account}"
    try:
        with recording_proxy(scene.server.kubeconfig) as recording:
            found["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{recording.port}"}
            path.write_text(yaml.safe_dump(found))
            yield recording, path
    finally:
        for each in documents:
            if each["kind"].startswith("Cluster"):
                scene.server.kubectl("delete", each["kind"], each["metadata"]["name"], "--wait=false")


def edit(scene: Scene, name: str, **spec: Any) -> None:
    """A user's edit of a CrawlJob."""
    scene.kubectl("patch", "crawljob", name, "--type=merge", "-p", json.dumps({"spec": spec}))


def crawled(scene: Scene) -> None:
    """A CrawlJob's life: made, scaled, restarted, suspended twice, its workers hidden, lost, deleted with its data."""
    scene.apply({"dataPolicy": "Delete"})
    scene.wait("condition=Seeded")
    scene.until(scene.deployment, "workers")
    edit(scene, "artists", workers={"replicas": 2})
    scene.until(lambda: scene.deployment()["spec"]["replicas"] == 2, "two workers")
    template = scene.deployment()["spec"]["template"]
    scene.kubectl("annotate", "crawljob", "artists", "artistcrawl.dev/restart=now")
    scene.until(lambda: scene.deployment()["spec"]["template"] != template, "a restart")
    for suspend in (True, False, True, False):
        edit(scene, "artists", suspend=suspend)
        scene.wait(f"condition=Suspended={suspend}")
    uid, name = scene.deployment()["metadata"]["uid"], scene.deployment()["metadata"]["name"]
    scene.kubectl("label", "deployment", name, "app.kubernetes.io/managed-by-")
    scene.until(lambda: "app.kubernetes.io/managed-by" in scene.deployment()["metadata"]["labels"], "its labels again")
    scene.kubectl("delete", "deployment", "-l", "artistcrawl.dev/crawljob=artists")
    scene.until(lambda: scene.deployment() and scene.deployment()["metadata"]["uid"] != uid, "workers anew")
    scene.kubectl("delete", "crawljob", "artists", "--wait=false")
    scene.until(lambda: not scene.get("crawljob", "artists"), "the CrawlJob gone", timeout_s=60)


def expired(scene: Scene) -> None:
    """A CrawlJob that finishes, and whose time is over then."""
    scene.apply({"ttlAfterFinished": "0s"}, name="short")
    scene.wait("condition=Seeded", name="short")
    scene.value(f"{FINISHED} RETURNING 1")
    scene.until(lambda: not scene.get("crawljob", "short"), "the CrawlJob gone", timeout_s=60)


def test_the_operator_uses_each_right_of_its_role_and_needs_no_other(scene: Scene) -> None:
    documents = rendered(scene)
    with installed(scene, documents) as (recording, kubeconfig):
        scene.leader(kubeconfig=kubeconfig)
        crawled(scene)
        expired(scene)
    allowed = granted(documents)
    assert (recording.refused, used(recording, allowed)) == ([], allowed)


@pytest.fixture
def second(kube: client.ApiClient, scene: Scene) -> Iterator[Scene]:
    """One more namespace, with the same backends."""
    name = f"{scene.namespace}-2"
    api = client.CoreV1Api(kube)
    api.create_namespace({"metadata": {"name": name}})
    folder = scene.folder / "second"
    folder.mkdir()
    found = Scene(scene.server, name, scene.postgres_url, scene.redis_url, folder)
    found.backends()
    yield found
    api.delete_namespace(name)


def test_with_two_namespaces_it_has_a_role_in_each_and_none_elsewhere(scene: Scene, second: Scene) -> None:
    documents = rendered(scene, f"watch.namespaces={{{scene.namespace},{second.namespace}}}")
    with installed(scene, documents) as (recording, kubeconfig):
        scene.leader("--namespaces", f"{scene.namespace},{second.namespace}", kubeconfig=kubeconfig)
        for each in (scene, second):
            each.apply()
            each.until(each.deployment, "workers")
    allowed = granted(documents)
    done = used(recording, allowed)
    assert (recording.refused, set(allowed)) == ([], {scene.namespace, second.namespace})
    assert all(done[namespace] <= allowed[namespace] for namespace in done)


@contextmanager
def standing_by(scene: Scene, kubeconfig: Path) -> Iterator[OperatorProcess]:
    """An operator of the whole cluster that watches, and keeps its hands off what other tests have there."""
    spec = {"holderIdentity": "nobody", "leaseDurationSeconds": 3600}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": spec}
    scene.kubectl("create", "-f", "-", stdin=json.dumps({**lease, "metadata": {"name": "artistcrawl-operator"}}))
    yield scene.operator("--namespaces", "", kubeconfig=kubeconfig)


def test_with_all_namespaces_it_watches_them_by_a_cluster_role(scene: Scene) -> None:
    documents = rendered(scene, "watch.allNamespaces=true")
    scene.apply()
    with installed(scene, documents) as (recording, kubeconfig), standing_by(scene, kubeconfig) as operator:
        operator.did("watches.complete")
    allowed = granted(documents)
    done = used(recording, allowed)
    assert (recording.refused, set(done)) == ([], {"", scene.namespace})
    assert all(done[namespace] <= allowed[namespace] for namespace in done)


def test_a_cluster_role_gives_in_every_namespace_what_a_role_gives_in_one(kube: client.ApiClient, scene: Scene) -> None:
    documents = rendered(scene, "watch.allNamespaces=true")
    account = f"system:serviceaccount:{scene.namespace}:{documents[0]['metadata']['name']}"
    elsewhere = f"elsewhere-{uuid.uuid4().hex[:8]}"

    def may(right: Use, namespace: str) -> bool:
        resource, _, subresource = right.resource.partition("/")
        asked = {"verb": right.verb, "group": right.group, "resource": resource, "subresource": subresource}
        spec = {"user": account, "resourceAttributes": {**asked, "namespace": namespace, "name": right.name}}
        review = client.AuthorizationV1Api(kube).create_subject_access_review({"spec": spec})
        return bool(review.status.allowed)

    in_one = granted(rendered(scene))[scene.namespace]
    with installed(scene, documents):
        here = {right for right in in_one if may(right, scene.namespace)}
        there = {right for right in in_one if may(right, elsewhere)}
    leases = {right for right in in_one if right.resource == "leases"}
    assert (here, there) == (in_one, in_one - leases)
