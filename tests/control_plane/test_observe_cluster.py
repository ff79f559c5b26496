"""What the operator sees of the cluster, and what it says where the cluster refuses."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from kubernetes import client, config
from support.fakes.operator_rounds import SMALL

from crawl_core.clock import SYSTEM_CLOCK
from crawl_operator.decide.manifests import workers_deployment
from crawl_operator.kube.api import Api, ForbiddenError, InvalidError, MissingError, UnreachableError
from crawl_operator.kube.cluster import Cluster
from crawl_operator.kube.views import crawljob_view, deployment_view
from crawl_operator.rounds.reconcile import RoundIO
from crawl_operator.values import names
from crawl_operator.values.model import CreateDeployment, Event, Key, Plan, WorkerSettings

NAME = names.workers_of("artists")
PATIENCE_S = 30


@asynccontextmanager
async def tools_of(kube):
    api = Api(kube)
    made = RoundIO(Cluster(api), SYSTEM_CLOCK)
    yield made
    await made.close()
    api.close()


@pytest.fixture
async def round_io(kube):
    async with tools_of(kube) as made:
        yield made


@pytest.fixture
def core(kube):
    return client.CoreV1Api(kube)


@pytest.fixture
def crawljob(kube, namespace):
    """A CrawlJob, as it is made."""
    body = {
        "apiVersion": f"{names.GROUP}/{names.VERSION}",
        "kind": "CrawlJob",
        "metadata": {"name": "artists"},
        "spec": {"keyspace": SMALL},
    }
    objects = client.CustomObjectsApi(kube)
    return crawljob_view(
        objects.create_namespaced_custom_object(names.GROUP, names.VERSION, namespace, names.PLURAL, body)
    )


def workers(crawljob, replicas=1):
    manifest = workers_deployment(crawljob, settings=WorkerSettings(image="worker:1"), replicas=replicas)
    return Plan(actions=(CreateDeployment(manifest),))


async def until(look, what):
    """Look until what is awaited is seen."""
    async with asyncio.timeout(PATIENCE_S):
        while not what(seen := await look()):
            await asyncio.sleep(0.1)
    return seen


def look_at(round_io, kube, crawljob):
    """A look, with the Deployment as it is then."""

    async def look():
        raw = client.AppsV1Api(kube).read_namespaced_deployment(NAME, crawljob.key.namespace)
        return await round_io.observe(crawljob, deployment_view(kube.sanitize_for_serialization(raw)))

    return look


async def test_a_secret_is_read_where_it_is(round_io, core, crawljob):
    assert (await round_io.observe(crawljob, None)).trouble.reason == "BackendsSecretMissing"
    text = base64.b64encode(b"postgresql://u:p@127.0.0.1:1/d").decode()
    data = {"postgres-url": text, "redis-url": base64.b64encode(b"redis://127.0.0.1:1/0").decode()}
    core.create_namespaced_secret(crawljob.key.namespace, {"metadata": {"name": "artistcrawl-backends"}, "data": data})
    seen = await until(
        lambda: round_io.observe(crawljob, None), lambda seen: seen.trouble.reason == "LedgerUnavailable"
    )
    assert seen.secrets.isdecimal()


async def test_workers_that_no_node_takes_say_why(round_io, kube, crawljob):
    await round_io.act(await round_io.observe(crawljob, None), workers(crawljob))
    seen = await until(look_at(round_io, kube, crawljob), lambda seen: seen.pods)
    assert seen.pods[0].reason == "Unschedulable"
    assert "no nodes available" in seen.pods[0].message


async def limit(core, namespace, **hard):
    """A quota that is in force."""
    core.create_namespaced_resource_quota(namespace, {"metadata": {"name": "none"}, "spec": {"hard": hard}})

    async def look():
        return core.read_namespaced_resource_quota("none", namespace)

    await until(look, lambda quota: quota.status.hard)


async def test_a_quota_that_forbids_pods_is_told(round_io, kube, core, crawljob):
    await limit(core, crawljob.key.namespace, pods="0")
    await round_io.act(await round_io.observe(crawljob, None), workers(crawljob))
    seen = await until(look_at(round_io, kube, crawljob), lambda seen: seen.deployment.failure)
    assert [(each.pod, each.reason) for each in seen.pods] == [("", "FailedCreate")]
    assert "exceeded quota: none" in seen.pods[0].message


async def test_a_deployment_that_is_refused_is_told_until_it_is_taken(round_io, kube, core, crawljob):
    await limit(core, crawljob.key.namespace, **{"count/deployments.apps": "0"})
    seen = await round_io.observe(crawljob, None)
    with pytest.raises(InvalidError, match="exceeded quota: none"):
        await round_io.act(seen, workers(crawljob))
    refused = (await round_io.observe(crawljob, None)).pods
    assert [(each.pod, each.reason) for each in refused] == [("", "Invalid")]
    core.delete_namespaced_resource_quota("none", crawljob.key.namespace)
    await round_io.act(seen, workers(crawljob))
    assert (await round_io.observe(crawljob, None)).pods == ()


@pytest.fixture
def powerless(control_plane, namespace):
    """A client that acts for a service account without any Role."""
    with config.new_client_from_config(config_file=str(control_plane.kubeconfig)) as made:
        made.set_default_header("Impersonate-User", f"system:serviceaccount:{namespace}:operator")
        yield made


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda cluster, key: cluster.get_secret(key.namespace, "x"), 'resources ["secrets"], verbs ["get"]'),
        (lambda cluster, key: cluster.pod_troubles(key, now=datetime.now(UTC)), 'resources ["pods"], verbs ["list"]'),
        (
            lambda cluster, key: cluster.delete_deployment(key.namespace, "x", uid="u"),
            'apiGroups ["apps"], resources ["deployments"], verbs ["delete"]',
        ),
    ],
)
async def test_what_the_operator_may_not_do_names_the_role_to_write(powerless, namespace, ask, said):
    api = Api(powerless)
    with pytest.raises(ForbiddenError) as raised:
        await ask(Cluster(api), Key(namespace, "artists"))
    api.close()
    assert said in str(raised.value)
    assert f"system:serviceaccount:{namespace}:operator) may not" in str(raised.value)
    assert f"in namespace {namespace};" in str(raised.value)


async def test_a_secret_that_may_not_be_read_is_a_trouble_of_the_crawljob(powerless, crawljob):
    async with tools_of(powerless) as round_io:
        trouble = (await round_io.observe(crawljob, None)).trouble
    assert (trouble.reason, trouble.permanent) == ("Forbidden", True)


async def test_an_event_that_may_not_be_written_fails_no_round(powerless, crawljob):
    async with tools_of(powerless) as round_io:
        seen = await round_io.observe(crawljob, None)
        assert await round_io.act(seen, Plan(events=(Event("Normal", "Started", "x"),), requeue_after_s=3.0)) == 3.0


async def test_a_namespace_that_is_gone_is_no_error_of_the_operator(kube):
    api = Api(kube)
    with pytest.raises(MissingError):
        await Cluster(api).get_secret("no-such-namespace", "x")
    api.close()


async def test_an_api_server_out_of_reach_is_told_apart():
    configuration = client.Configuration(host="http://127.0.0.1:1", retries=0)
    api = Api(client.ApiClient(configuration))
    with pytest.raises(UnreachableError, match="out of reach"):
        await Cluster(api).get_secret("default", "x")
    api.close()
