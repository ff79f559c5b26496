"""What holds for any picture: no plan fails, none starts too many, and each comes to rest."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.fakes.observations import (
    NOW,
    SETTINGS,
    after,
    crawling,
    event_reasons,
    fresh,
    job_of,
    planned,
    settled,
    told,
    written_events,
)

from crawl_core.job.reasons import NOTED_BY_WORKERS
from crawl_core.job.views import FrontierView
from crawl_core.spec.status import Status
from crawl_operator.decide.plan import plan
from crawl_operator.values.model import (
    AdoptDeployment,
    ApplyDeployment,
    CreateDeployment,
    DeleteCrawlJob,
    Memory,
    Observation,
    Plan,
    PodTrouble,
    RecordJob,
    ScaleDeployment,
    SeedFrontier,
    Trouble,
)
from crawl_operator.values.names import FINALIZER

MOMENTS = st.integers(-10_000, 10_000).map(lambda seconds: NOW + timedelta(seconds=seconds))
MAYBE_MOMENTS = st.none() | MOMENTS
WORKERS = st.fixed_dictionaries(
    {},
    optional={
        "max": st.integers(3, 30),
        "min": st.integers(1, 3),
        "replicas": st.integers(0, 40),
        "concurrency": st.integers(1, 64),
    },
)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "workers": WORKERS,
        "suspend": st.booleans(),
        "dataPolicy": st.sampled_from(["Retain", "Delete"]),
        "deadline": st.sampled_from(["1m", "2h", "87600h"]),
        "deadlinePolicy": st.sampled_from(["Alert", "Suspend"]),
        "ttlAfterFinished": st.sampled_from(["0s", "1h", "87600h"]),
        "rateLimit": st.fixed_dictionaries(
            {"requests": st.integers(1, 100_000), "window": st.sampled_from(["1s", "30s", "24h"])},
            optional={"bucket": st.sampled_from(["Credential", "Node", "Job"])},
        ),
    },
)
PROBLEMS = [None, "Misconfigured", "QuotaExceeded", "FieldsUnreadable", *sorted(NOTED_BY_WORKERS)]
TROUBLES = st.none() | st.builds(
    lambda reason, message: Trouble(reason, message, permanent=not reason.endswith("Unavailable")),
    reason=st.sampled_from(["LedgerUnavailable", "RedisUnavailable", "BackendsSecretMissing", "NameTaken"]),
    message=st.text(max_size=50),
)
PODS = st.lists(
    st.builds(
        PodTrouble,
        pod=st.text(max_size=5),
        reason=st.sampled_from(["ImagePullBackOff", "Unschedulable", "CrashLoopBackOff", "Invalid", "Odd"]),
        message=st.text(max_size=50),
    ),
    max_size=2,
).map(tuple)


@st.composite
def pictures(draw: st.DrawFn) -> Observation:
    """Any picture, of which most could not come to be."""
    total = 36**4
    frozen = draw(st.none() | st.floats(-100, 200_000))
    seen = crawling(
        draw(SPECS),
        row={
            "uid": draw(st.sampled_from(["uid-1", "uid-0"])),
            "finished_at": draw(MAYBE_MOMENTS),
            "problem_reason": draw(st.sampled_from(PROBLEMS)),
            "problem_message": draw(st.none() | st.text(max_size=20)),
            "problem_at": draw(MAYBE_MOMENTS),
        },
        progress={
            "covered": draw(st.sampled_from([0, 1, total // 2, total])),
            "open_ranges": draw(st.integers(0, 3)),
            "dead_letters": draw(st.integers(0, 3)),
            "last_commit_at": draw(MAYBE_MOMENTS),
        },
        workers={
            "replicas": draw(st.integers(0, 40)),
            "ready": draw(st.integers(0, 3)),
            "owner_uid": draw(st.sampled_from(["uid-1", "uid-0", ""])),
            "template": draw(st.sampled_from(["", "other"])),
            "deleting": draw(st.booleans()),
            "backends": draw(st.sampled_from(["", "here", "there"])),
            "labelled": draw(st.booleans()),
        },
        limits={"frozen_s": frozen, "requests": draw(st.integers(1, 1000))},
        frontier=draw(st.sampled_from([None, FrontierView(False), FrontierView(True, 5, 2, 1)])),
        memory=Memory(covered_per_s=draw(st.none() | st.floats(0, 1e9)), seeded_at=draw(MAYBE_MOMENTS)),
        trouble=draw(TROUBLES),
        pods=draw(PODS),
        backends=draw(st.sampled_from(["", "here"])),
        open_missing=draw(st.booleans()),
        latency_s=draw(st.none() | st.floats(0, 1e6)),
    )
    seen = _partly(draw, seen)
    if draw(st.booleans()):
        seen = told(seen) if planned(seen).status is not None else seen
        seen = replace(_partly(draw, seen), trouble=draw(TROUBLES), now=draw(MOMENTS))
    return seen


def _partly(draw: st.DrawFn, seen: Observation) -> Observation:
    if draw(st.booleans()):
        seen = replace(seen, row=None, progress=None, bucket=None)
    if draw(st.booleans()):
        seen = replace(seen, deployment=None)
    view = replace(
        seen.crawljob,
        deleted_at=draw(st.none() | MOMENTS) if draw(st.booleans()) else None,
        finalizers=draw(st.sampled_from([(), (FINALIZER,), ("other/one", FINALIZER)])),
        annotations=draw(st.sampled_from([{}, {"artistcrawl.dev/unfreeze": "1"}, {"artistcrawl.dev/paused": "true"}])),
        generation=draw(st.integers(1, 3)),
    )
    if draw(st.integers(0, 9)) == 0:
        view = replace(view, job=None, invalid="spec.retry: write 8")
    return replace(seen, crawljob=view)


LOTS = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def numbers(made: Plan) -> list[int]:
    return [
        action.replicas
        if isinstance(action, ScaleDeployment | AdoptDeployment)
        else action.manifest["spec"]["replicas"]
        for action in made.actions
        if isinstance(action, ScaleDeployment | AdoptDeployment | CreateDeployment | ApplyDeployment)
    ]


@LOTS
@given(pictures())
def test_no_picture_makes_a_plan_fail(seen: Observation) -> None:
    made = planned(seen)
    assert made.requeue_after_s is None or made.requeue_after_s >= 0
    if made.status is not None:
        raw = made.status.model_dump(mode="json", by_alias=True, exclude_none=True)
        assert Status.model_validate(raw) == made.status


@LOTS
@given(pictures())
def test_no_plan_starts_more_workers_than_were_asked_for(seen: Observation) -> None:
    if seen.crawljob.job is None:
        assert numbers(planned(seen)) == []
        return
    workers = seen.crawljob.job.spec.workers
    there = 0 if seen.deployment is None else seen.deployment.replicas
    most = workers.max if workers.replicas is None else workers.replicas
    assert all(number <= max(most, there) for number in numbers(planned(seen)))


@LOTS
@given(pictures())
def test_no_plan_starts_a_worker_that_must_not_be(seen: Observation) -> None:
    made, job = planned(seen), seen.crawljob.job
    taken = seen.trouble is not None and seen.trouble.reason == "NameTaken"
    finished = seen.row is not None and seen.row.finished_at is not None and not taken
    if job is not None and (job.spec.suspend or finished or taken or seen.crawljob.deleted_at is not None):
        assert not any(numbers(made))


@LOTS
@given(pictures())
def test_what_was_written_is_not_written_again_nor_told_again(seen: Observation) -> None:
    made = planned(seen)
    if made.status is None or any(not isinstance(action, SeedFrontier) for action in made.actions):
        return
    again = planned(told(seen))
    if DeleteCrawlJob() not in again.actions:  # told of, it may go
        assert (again.status, again.events) == (made.status, ())


@LOTS
@given(pictures())
def test_every_living_job_comes_to_rest(seen: Observation) -> None:
    if seen.crawljob.deleted_at is not None or seen.trouble is not None:
        return
    assert event_reasons(settled(seen)) == [] or settled(seen).crawljob.deleted_at is not None


@LOTS
@given(pictures())
def test_deletion_is_never_held_up(seen: Observation) -> None:
    late = replace(
        seen,
        now=NOW + timedelta(seconds=40),
        crawljob=replace(seen.crawljob, deleted_at=NOW, finalizers=(FINALIZER,)),
    )
    assert after(late, planned(late)).crawljob.finalizers == ()


@LOTS
@given(pictures())
def test_the_same_picture_makes_the_same_plan(seen: Observation) -> None:
    assert planned(seen) == plan(seen, settings=SETTINGS)


def test_a_whole_life() -> None:
    """From nothing to the end: each thing told once, in the order in which it happened."""
    seen = fresh({"workers": {"max": 2}})
    told_of: list[Any] = []

    def rounds(seen: Observation) -> Observation:
        for _ in range(6):
            made = planned(seen)
            told_of.extend(event.reason for event in written_events(made))
            seen = after(seen, made)
        return seen

    def with_spec(seen: Observation, spec: dict[str, Any]) -> Observation:
        return replace(seen, crawljob=replace(seen.crawljob, job=job_of(spec)))

    seen = rounds(seen)
    seen = rounds(with_spec(seen, {"workers": {"max": 2}, "suspend": True}))
    seen = rounds(with_spec(seen, {"workers": {"max": 2}}))
    assert seen.progress is not None
    seen = rounds(replace(seen, progress=replace(seen.progress, covered=36**4, open_ranges=0)))
    assert told_of == ["Seeded", "Started", "Suspended", "Resumed", "Started", "Succeeded"]
    assert (seen.deployment, planned(seen).requeue_after_s) == (None, None)


def test_an_edit_is_recorded_before_workers_could_miss_it() -> None:
    seen = told(crawling())
    edited = replace(seen, crawljob=replace(seen.crawljob, job=job_of({"workers": {"replicas": 3}})))
    assert [type(action) for action in planned(edited).actions] == [RecordJob, ScaleDeployment]
