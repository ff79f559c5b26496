"""What a user asks for by annotation is done once a value."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.fakes.observations import NOW, crawling, event_reasons, fresh, planned, said, settled, status_of, told

from crawl_core.job.views import FrontierView
from crawl_operator.values import names
from crawl_operator.values.model import Observation, ReplayDeadLetters, Trouble, Unfreeze

RETRY, UNFREEZE = names.ANNOTATION_RETRY_DEAD_LETTERS, names.ANNOTATION_UNFREEZE


def asking(annotation: str, value: str = "1", *, of: Observation | None = None) -> Observation:
    seen = of or crawling(progress={"dead_letters": 3})
    return replace(seen, crawljob=replace(seen.crawljob, annotations={annotation: value}))


@pytest.mark.parametrize(
    ("annotation", "action", "reason"),
    [
        (RETRY, ReplayDeadLetters(1), "DeadLettersReplayed"),
        (UNFREEZE, Unfreeze("credential:28d3f3b2a61c"), "UnfreezeRequested"),
    ],
)
def test_a_new_value_is_acted_on_once(annotation: str, action: object, reason: str) -> None:
    seen = asking(annotation)
    if isinstance(action, Unfreeze):
        assert seen.row is not None
        action = Unfreeze(str(seen.row.bucket))
    assert planned(seen).actions == (action,)
    assert (planned(seen).requeue_after_s, reason in event_reasons(seen)) == (0, True)
    assert (planned(told(seen)).actions, event_reasons(told(seen))) == ((), [])
    assert planned(asking(annotation, "2", of=told(seen))).actions == (action,)


def test_a_value_that_ends_so_asks_for_the_incomplete_strings() -> None:
    seen = asking(RETRY, "1-incomplete", of=crawling(progress={"incomplete": 2}))
    assert planned(seen).actions == (ReplayDeadLetters(1, incomplete=True),)
    assert planned(told(seen)).actions == ()


def test_both_can_be_asked_for_at_once() -> None:
    seen = crawling(progress={"dead_letters": 3})
    both = replace(seen, crawljob=replace(seen.crawljob, annotations={RETRY: "1", UNFREEZE: "2"}))
    assert [type(action) for action in planned(both).actions] == [ReplayDeadLetters, Unfreeze]
    handled = status_of(both).handled
    assert handled is not None
    assert (handled.retry_dead_letters, handled.unfreeze) == ("1", "2")


def test_an_annotation_that_is_gone_is_remembered() -> None:
    seen = told(asking(RETRY))
    without = replace(seen, crawljob=replace(seen.crawljob, annotations={}))
    assert status_of(without).handled == status_of(seen).handled


def test_an_empty_value_asks_for_nothing() -> None:
    assert planned(asking(RETRY, "")).actions == ()


def test_a_value_of_any_length_is_acted_on_once() -> None:
    seen = asking(UNFREEZE, "x" * 5_000)
    assert planned(told(seen)).actions == ()


def test_nothing_is_done_while_the_ledger_is_away() -> None:
    away = Trouble("LedgerUnavailable", "no", permanent=False)
    seen = asking(RETRY, of=replace(crawling(), trouble=away, row=None, progress=None))
    assert (planned(seen).actions, status_of(seen).handled) == ((), None)


def test_a_new_job_is_recorded_before_anything_is_asked_of_it() -> None:
    assert status_of(asking(RETRY, of=fresh())).handled is None


def test_where_each_node_has_a_limit_the_user_is_told_what_to_run() -> None:
    seen = asking(UNFREEZE, of=crawling({"rateLimit": {"bucket": "Node"}, "workers": {"max": 1}}))
    assert planned(seen).actions == ()
    assert "artistcrawl unfreeze node:ADDRESS" in planned(seen).events_when_done[0].message


def test_a_lifted_freeze_lets_the_job_go_on() -> None:
    seen = settled(asking(UNFREEZE, of=settled(crawling(limits={"frozen_s": 3600}))))
    assert (status_of(seen).state, status_of(seen).workers.desired) == ("Crawling", 1)


def test_a_finished_job_goes_on_when_dead_letters_are_searched_again() -> None:
    counts = {"open_ranges": 0, "covered": 36**4, "dead_letters": 3}
    done = settled(crawling(row={"finished_at": NOW}, progress=counts))
    assert done.deployment is None
    again = settled(replace(asking(RETRY, of=done), frontier=FrontierView(known=False)))
    assert again.deployment is not None
    status = status_of(again)
    succeeded = next(each for each in status.conditions if each.type == "Succeeded")
    assert (status.state, succeeded.status, succeeded.reason) == ("Crawling", "False", "Reopened")
    assert status.completion_time is None


def test_what_is_asked_of_a_finished_job_is_looked_for_until_it_is_done() -> None:
    away = Trouble("LedgerUnavailable", "no", permanent=False)
    done = settled(crawling(row={"finished_at": NOW}, progress={"open_ranges": 0, "covered": 36**4, "dead_letters": 3}))
    assert planned(done).requeue_after_s is None
    assert planned(asking(RETRY, of=replace(done, row=None, progress=None, trouble=away))).requeue_after_s == 30.0


def test_a_restored_ledger_is_not_said_to_search_dead_letters_again() -> None:
    counts = {"open_ranges": 0, "covered": 36**4}
    done = settled(crawling(row={"finished_at": NOW}, progress=counts))
    assert done.row is not None
    assert "dead letters" not in said(replace(done, row=replace(done.row, finished_at=None)), "Succeeded").message


def test_dead_letters_that_are_searched_again_are_said_so_until_the_end() -> None:
    done = settled(crawling(row={"finished_at": NOW}, progress={"open_ranges": 0, "covered": 36**4, "dead_letters": 3}))
    again = settled(asking(RETRY, of=done))
    assert again.progress is not None
    seen = replace(again, progress=replace(again.progress, dead_letters=0))
    assert said(seen, "Succeeded").message == "It was done, and goes on: dead letters are searched again."
