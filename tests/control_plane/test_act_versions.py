"""Two operators with the same old picture: the second is refused everywhere, and nothing of a user's is lost."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from kubernetes import client

from crawl_core.clock import SYSTEM_CLOCK
from crawl_core.errors import LedgerUnavailableError
from crawl_core.ledger import jobs
from crawl_core.spec.status import Condition, Handled, Status, WorkerCounts
from crawl_operator.act.act import CrawlJobGoneError
from crawl_operator.decide.manifests import workers_deployment
from crawl_operator.kube.api import Api
from crawl_operator.kube.cluster import Cluster
from crawl_operator.kube.views import crawljob_view, deployment_view
from crawl_operator.rounds.reconcile import Reconciler, RoundIO
from crawl_operator.values import names
from crawl_operator.values.model import (
    ApplyDeployment,
    CreateDeployment,
    DeleteCrawlJob,
    DeleteDeployment,
    Event,
    Key,
    MarkDeleted,
    Observation,
    Plan,
    RecordJob,
    ReplayDeadLetters,
    ScaleDeployment,
    SetFinalizers,
    WorkerSettings,
)
from crawl_operator.watch.store import Store

CRAWLJOBS = (names.GROUP, names.VERSION)
NAME = names.workers_of("artists")


@pytest.fixture
def api(kube):
    made = Api(kube)
    yield made
    made.close()


@pytest.fixture
async def round_io(api):
    made = RoundIO(Cluster(api), SYSTEM_CLOCK)
    yield made
    await made.close()


class World:
    """One CrawlJob and its Deployment, as they are now."""

    def __init__(self, kube, namespace, round_io):
        self.objects, self.apps = client.CustomObjectsApi(kube), client.AppsV1Api(kube)
        self.core, self.namespace, self.round_io = client.CoreV1Api(kube), namespace, round_io
        self.kube = kube

    def create(self, **spec):
        body = {"apiVersion": "/".join(CRAWLJOBS), "kind": "CrawlJob", "metadata": {"name": "artists"}, "spec": spec}
        self.objects.create_namespaced_custom_object(*CRAWLJOBS, self.namespace, names.PLURAL, body)

    def raw(self):
        return self.objects.get_namespaced_custom_object(*CRAWLJOBS, self.namespace, names.PLURAL, "artists")

    def deployment(self):
        try:
            found = self.apps.read_namespaced_deployment(NAME, self.namespace)
        except client.ApiException as error:
            if error.status != 404:
                raise
            return None
        return self.kube.sanitize_for_serialization(found)

    def look(self):
        raw = self.deployment()
        return Observation(
            now=datetime.now(UTC),
            crawljob=crawljob_view(self.raw()),
            deployment=None if raw is None else deployment_view(raw),
        )

    async def act(self, seen, *actions, **plan):
        return await self.round_io.act(seen, Plan(actions=actions, **plan))

    def manifest(self, seen, *, replicas=0, image="worker:1"):
        return workers_deployment(seen.crawljob, settings=WorkerSettings(image=image), replicas=replicas)

    async def with_workers(self, replicas=0):
        """Make the Deployment; the picture with it."""
        seen = self.look()
        await self.act(seen, CreateDeployment(self.manifest(seen, replicas=replicas)))
        return self.look()

    async def change_workers(self, *actions):
        """Change the Deployment, again where its controller wrote first. The picture before the change."""
        while True:
            seen = self.look()
            if await self.act(seen, *actions) != 0.0:
                return seen


@pytest.fixture
def world(kube, namespace, round_io):
    made = World(kube, namespace, round_io)
    made.create()
    return made


def status(**fields):
    return Status(observed_generation=1, **fields)


async def test_a_status_is_written_once(world):
    seen = world.look()
    assert await world.act(seen, status=status(state="Crawling"), requeue_after_s=5.0) == 5.0
    assert world.raw()["status"]["state"] == "Crawling"
    assert await world.act(seen, status=status(state="Stalled"), requeue_after_s=5.0) == 0.0
    assert world.raw()["status"]["state"] == "Crawling"


async def test_a_status_that_is_there_already_is_not_written(world):
    await world.act(world.look(), status=status(state="Crawling"))
    seen = world.look()
    await world.act(seen, status=status(state="Crawling"))
    assert world.look().crawljob.resource_version == seen.crawljob.resource_version


async def test_what_a_status_no_longer_says_goes(world):
    instant = "2026-01-01T00:00:00Z"
    condition = Condition(
        type="Seeded", status="True", reason="Seeded", message="", last_transition_time=instant, observed_generation=1
    )
    await world.act(world.look(), status=status(frozen_until=instant, conditions=(condition,)))
    await world.act(world.look(), status=status(workers=WorkerCounts(desired=2)))
    assert "frozenUntil" not in world.raw()["status"]
    assert not world.raw()["status"].get("conditions")


async def test_a_deployment_is_made_once(world):
    seen = world.look()
    await world.act(seen, CreateDeployment(world.manifest(seen, image="worker:1")))
    assert await world.act(seen, CreateDeployment(world.manifest(seen, image="worker:2"))) == 0.0
    assert world.look().deployment.image == "worker:1"


async def test_a_conflict_does_not_keep_the_status_from_being_written(world):
    seen = await world.with_workers()
    action = CreateDeployment(world.manifest(seen))
    assert await world.act(seen, action, status=status(state="Stalled"), requeue_after_s=5.0) == 0.0
    assert world.raw()["status"]["state"] == "Stalled"


async def test_a_crawljob_that_is_gone_is_told_apart_from_one_that_changed(world):
    seen = world.look()
    world.objects.delete_namespaced_custom_object(*CRAWLJOBS, world.namespace, names.PLURAL, "artists")
    with pytest.raises(CrawlJobGoneError):
        await world.act(seen, status=status(state="Crawling"))
    with pytest.raises(CrawlJobGoneError):
        await world.act(seen, DeleteCrawlJob())


async def test_a_crawljob_whose_deletion_went_by_unseen_is_forgotten(world, kube):
    raw, store = world.raw(), Store(changed=lambda _: None)
    store.put("crawljobs", raw)
    world.objects.delete_namespaced_custom_object(*CRAWLJOBS, world.namespace, names.PLURAL, "artists")
    settings = WorkerSettings(image="worker:1")
    made = Reconciler(kube, store, workers=settings, instance="", may_act=lambda: True, clock=SYSTEM_CLOCK)
    key = Key(world.namespace, "artists")
    assert await made.round(key) is None
    await made.close()
    assert store.crawljob(key) is None


async def test_the_second_to_scale_is_refused(world):
    await world.with_workers()
    seen = await world.change_workers(ScaleDeployment(1))
    assert await world.act(seen, ScaleDeployment(3)) == 0.0
    assert world.look().deployment.replicas == 1


async def test_the_second_to_replace_the_template_is_refused(world):
    seen = await world.with_workers()
    seen = await world.change_workers(ApplyDeployment(world.manifest(seen, image="worker:2")))
    assert await world.act(seen, ApplyDeployment(world.manifest(seen, image="worker:3"))) == 0.0
    assert world.look().deployment.image == "worker:2"


async def test_a_deployment_that_was_deleted_is_not_made_by_replacing_its_template(world):
    seen = await world.with_workers()
    world.apps.delete_namespaced_deployment(NAME, world.namespace, propagation_policy="Background")
    action = ApplyDeployment(world.manifest(seen, image="worker:2"))
    assert await world.act(seen, action) == 0.0
    assert world.deployment() is None


async def test_a_later_deployment_of_the_name_is_not_deleted(world):
    old = await world.with_workers()
    world.apps.delete_namespaced_deployment(NAME, world.namespace, propagation_policy="Background")
    new = await world.with_workers()
    assert await world.act(old, DeleteDeployment(old.deployment.uid)) == 0.0
    assert world.look().deployment.uid == new.deployment.uid


async def test_a_deployment_that_is_gone_counts_as_deleted(world):
    seen = await world.with_workers()
    world.apps.delete_namespaced_deployment(NAME, world.namespace, propagation_policy="Background")
    assert await world.act(seen, DeleteDeployment(seen.deployment.uid), requeue_after_s=7.0) == 7.0


async def test_the_second_to_write_finalizers_is_refused(world):
    seen = world.look()
    await world.act(seen, SetFinalizers((names.FINALIZER,)))
    assert await world.act(seen, SetFinalizers(())) == 0.0
    assert world.look().crawljob.finalizers == (names.FINALIZER,)


async def test_finalizers_and_status_go_in_one_round(world):
    await world.act(world.look(), SetFinalizers((names.FINALIZER,)), status=status(state="Crawling"))
    assert (world.look().crawljob.finalizers, world.raw()["status"]["state"]) == ((names.FINALIZER,), "Crawling")


async def test_a_finalizer_of_somebody_else_survives_ours(world):
    raw = world.raw()
    raw["metadata"]["finalizers"] = ["somebody.else/thing"]
    world.objects.replace_namespaced_custom_object(*CRAWLJOBS, world.namespace, names.PLURAL, "artists", raw)
    seen = world.look()
    await world.act(seen, SetFinalizers((*seen.crawljob.finalizers, names.FINALIZER)))
    assert world.look().crawljob.finalizers == ("somebody.else/thing", names.FINALIZER)


async def test_a_crawljob_that_changed_is_not_deleted_for_its_age(world):
    seen = world.look()
    await world.act(seen, status=status(state="Succeeded"))
    assert await world.act(seen, DeleteCrawlJob()) == 0.0
    await world.act(world.look(), DeleteCrawlJob())
    with pytest.raises(client.ApiException, match="Not Found"):
        world.raw()


async def test_a_later_crawljob_of_the_name_is_left_alone(world):
    old = world.look()
    world.objects.delete_namespaced_custom_object(*CRAWLJOBS, world.namespace, names.PLURAL, "artists")
    world.create()
    assert await world.act(old, DeleteCrawlJob(), status=status(state="Succeeded")) == 0.0
    assert "status" not in world.raw()


async def test_what_a_user_writes_on_the_workers_survives_a_new_template(world, control_plane):
    await world.with_workers(replicas=2)
    where = ("-n", world.namespace, "deployment", NAME)
    control_plane.kubectl("annotate", *where, "team=music")
    control_plane.kubectl("label", *where, "cost=42")
    control_plane.kubectl("scale", "-n", world.namespace, f"deployment/{NAME}", "--replicas=5")
    manifest = world.manifest(world.look(), image="worker:2")
    del manifest["spec"]["replicas"]
    await world.change_workers(ApplyDeployment(manifest))
    metadata = world.deployment()["metadata"]
    assert (metadata["annotations"]["team"], metadata["labels"]["cost"]) == ("music", "42")
    assert (world.look().deployment.replicas, world.look().deployment.image) == (5, "worker:2")


async def test_a_field_that_the_template_no_longer_has_goes(world):
    seen = world.look()
    manifest = world.manifest(seen)
    manifest["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "fast"}
    await world.act(seen, CreateDeployment(manifest))
    await world.change_workers(ApplyDeployment(world.manifest(seen)))
    assert "nodeSelector" not in world.deployment()["spec"]["template"]["spec"]


async def test_template_and_number_change_in_one_round(world):
    seen = await world.with_workers()
    await world.change_workers(ApplyDeployment(world.manifest(seen, image="worker:2")), ScaleDeployment(4))
    assert (world.look().deployment.replicas, world.look().deployment.image) == (4, "worker:2")


async def test_the_same_note_again_is_counted_and_not_repeated(world):
    for number in range(3):
        await world.act(world.look(), events=(Event("Warning", "LedgerUnavailable", f"attempt {number}"),))
    await world.act(world.look(), events=(Event("Normal", "Recovered", "it is back"),))
    events = world.core.list_namespaced_event(world.namespace, field_selector="involvedObject.name=artists").items
    assert sorted((each.reason, each.count, each.message) for each in events) == [
        ("LedgerUnavailable", 3, "attempt 2"),
        ("Recovered", 1, "it is back"),
    ]


async def test_describe_shows_the_notes(world, control_plane):
    await world.act(world.look(), events=(Event("Warning", "BackendsSecretMissing", "run: kubectl create secret"),))
    described = control_plane.kubectl("describe", "-n", world.namespace, "crawljob", "artists").stdout
    assert "BackendsSecretMissing" in described


@pytest.fixture
def without_ledger(world):
    """The CrawlJob's ledger is out of reach."""
    urls = {"postgres-url": "postgresql://u:p@127.0.0.1:1/d", "redis-url": "redis://127.0.0.1:1/0"}
    body = {"metadata": {"name": "artistcrawl-backends"}, "stringData": urls}
    world.core.create_namespaced_secret(world.namespace, body)
    return world


async def test_a_step_that_fails_ends_the_steps_and_the_status_is_written_all_the_same(without_ledger):
    world, seen = without_ledger, without_ledger.look()
    event = Event("Warning", "LedgerUnavailable", "it is down")
    actions = (ReplayDeadLetters(1), SetFinalizers((names.FINALIZER,)))
    with pytest.raises(LedgerUnavailableError):
        await world.act(seen, *actions, status=status(state="Stalled"), events=(event,))
    assert (world.raw()["status"]["state"], world.look().crawljob.finalizers) == ("Stalled", ())
    assert [each.reason for each in world.core.list_namespaced_event(world.namespace).items] == ["LedgerUnavailable"]


async def test_what_a_step_did_is_told_only_when_it_was_done(without_ledger):
    world = without_ledger
    with pytest.raises(LedgerUnavailableError):
        await world.act(
            world.look(), ReplayDeadLetters(1), events_when_done=(Event("Normal", "DeadLettersReplayed", "done"),)
        )
    assert world.core.list_namespaced_event(world.namespace).items == []


async def test_what_a_user_asked_for_is_not_handled_where_it_failed(without_ledger):
    world = without_ledger
    await world.act(world.look(), status=status(handled=Handled(unfreeze="monday")))
    asked = status(handled=Handled(unfreeze="monday", retry_dead_letters="tuesday"))
    with pytest.raises(LedgerUnavailableError):
        await world.act(world.look(), ReplayDeadLetters(1), status=asked)
    assert world.raw()["status"]["handled"] == {"unfreeze": "monday"}


@pytest.fixture
def with_ledger(world, ledger_url, redis_url):
    """The CrawlJob's backends are there."""
    body = {
        "metadata": {"name": "artistcrawl-backends"},
        "stringData": {"postgres-url": ledger_url, "redis-url": redis_url},
    }
    world.core.create_namespaced_secret(world.namespace, body)
    return world


async def test_an_operator_that_slept_does_not_record_a_spec_that_was_changed(with_ledger, ledger_url):
    world = with_ledger
    old = world.look()
    patch = {"spec": {"rateLimit": {"requests": 3}}}
    world.objects.patch_namespaced_custom_object(*CRAWLJOBS, world.namespace, names.PLURAL, "artists", patch)
    await world.act(world.look(), RecordJob())
    assert await world.act(old, RecordJob()) == 0.0
    async with world.round_io.backends.ledger(ledger_url) as ledger:
        row = await jobs.find(ledger, world.namespace, "artists")
    assert row.spec["rateLimit"]["requests"] == 3


async def test_an_operator_that_slept_deletes_no_rows_of_a_later_crawljob(with_ledger, ledger_url):
    world = with_ledger
    old = world.look()
    await world.act(old, RecordJob())
    world.objects.delete_namespaced_custom_object(*CRAWLJOBS, world.namespace, names.PLURAL, "artists")
    world.create()
    await world.act(world.look(), RecordJob())
    async with world.round_io.backends.ledger(ledger_url) as ledger:
        row = await jobs.find(ledger, world.namespace, "artists")
        assert await world.act(old, MarkDeleted(row.id)) == 0.0
        assert await jobs.find(ledger, world.namespace, "artists") == row
