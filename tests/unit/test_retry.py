"""When a failure counts, and how long to wait."""

from __future__ import annotations

import random

import pytest

from crawl_worker.client.retry import Attempts, Fault, RetryRules

RULES = RetryRules(max_attempts=3, initial_backoff_s=1.0, max_backoff_s=60.0)


@pytest.mark.parametrize(("failures", "step_s"), [(1, 1.0), (2, 2.0), (5, 16.0), (7, 60.0), (5_000, 60.0)])
def test_the_wait_doubles_up_to_its_bound_and_is_jittered(failures: int, step_s: float) -> None:
    rng = random.Random(1)
    delays = [RULES.delay_s(failures, rng) for _ in range(200)]
    assert step_s / 2 <= min(delays) < step_s * 0.6
    assert step_s * 0.9 < max(delays) <= step_s


def test_failures_of_an_outage_never_exhaust_a_string() -> None:
    attempts = Attempts(successes_before=10, found_before=10)
    assert {attempts.failed(successes=10, found=10) for _ in range(1_000)} == {Fault.OF_ALL}
    assert not attempts.exhausted(RULES)


def test_failures_count_once_another_string_has_succeeded() -> None:
    attempts = Attempts(successes_before=10, found_before=10)
    attempts.failed(successes=10, found=10)
    for successes in (11, 12, 13):
        assert not attempts.exhausted(RULES)
        assert attempts.failed(successes=successes, found=successes) is Fault.OF_THE_STRING
    assert (attempts.failures, attempts.exhausted(RULES)) == (4, True)


def test_an_outage_spares_a_string_that_had_failed_before_it() -> None:
    attempts = Attempts(successes_before=10, found_before=10)
    assert attempts.failed(successes=11, found=11) is Fault.OF_THE_STRING
    assert {attempts.failed(successes=11, found=11) for _ in range(1_000)} == {Fault.OF_ALL}
    assert not attempts.exhausted(RULES)


def test_empty_pages_of_others_tell_nothing_of_a_failure() -> None:
    attempts = Attempts(successes_before=10, found_before=5)
    assert {attempts.failed(successes=10 + at, found=5) for at in range(1, 100)} == {Fault.UNKNOWN}
    assert not attempts.exhausted(RULES)


def test_any_page_of_others_tells_of_a_request_that_is_wrong_itself() -> None:
    attempts = Attempts(successes_before=10, found_before=5)
    assert attempts.failed(successes=11, found=5, by_any=True) is Fault.OF_THE_STRING
