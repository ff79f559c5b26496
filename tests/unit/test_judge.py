"""What follows from an answer that is no page."""

from __future__ import annotations

import pytest

from crawl_core.metrics.labels import FailureClass
from crawl_worker.client.judge import AskSmaller, Failure, NewToken, Pause, Verdict, ends_string, verdict_on
from crawl_worker.client.retry import Attempts, RetryRules
from crawl_worker.sources.outcomes import (
    InvalidBody,
    Lack,
    NoAnswer,
    Outcome,
    PageSizeRefused,
    RateLimited,
    Rejected,
    ServerFailed,
    Unauthorized,
)

RULES = RetryRules(max_attempts=3, initial_backoff_s=1.0, max_backoff_s=60.0)
LIMITED = RateLimited("7", quota=False, message="")


@pytest.mark.parametrize(
    ("outcome", "page_size", "refused_tokens", "verdict"),
    [
        (LIMITED, 50, 0, Pause(LIMITED)),
        (PageSizeRefused("m"), 50, 0, AskSmaller("m")),
        (PageSizeRefused("m"), 10, 0, Failure("http_400", FailureClass.REJECTED, "m", permanent=True)),
        (Unauthorized("m"), 50, 3, NewToken()),
        (Unauthorized("m"), 50, 4, Failure("unauthorized", FailureClass.CREDENTIAL, "m")),
        (Rejected(400, "m"), 50, 0, Failure("http_400", FailureClass.REJECTED, "m", permanent=True)),
        (Rejected(414, "m"), 50, 0, Failure("http_414", FailureClass.REJECTED, "m", permanent=True)),
        *(
            (Rejected(status, "m"), 50, 0, Failure(f"http_{status}", FailureClass.REJECTED, "m"))
            for status in (403, 404, 405, 410, 422, 451)
        ),
        (ServerFailed(503, "m"), 50, 0, Failure("http_503", FailureClass.SERVER, "m")),
        (InvalidBody("m"), 50, 0, Failure("invalid_body", FailureClass.ANSWER, "m")),
        (NoAnswer(Lack.TIMEOUT, "m"), 50, 0, Failure("answer_timeout", FailureClass.NETWORK, "m")),
    ],
)
def test_each_outcome_has_its_verdict(outcome: Outcome, page_size: int, refused_tokens: int, verdict: Verdict) -> None:
    assert verdict_on(outcome, page_size=page_size, small_page_size=10, refused_tokens=refused_tokens) == verdict


def test_a_token_that_others_use_is_not_replaced_for_one_string() -> None:
    verdict = verdict_on(Unauthorized("m"), page_size=50, small_page_size=10, refused_tokens=0, token_at_fault=False)
    assert verdict == Failure("unauthorized", FailureClass.CREDENTIAL, "m")


@pytest.mark.parametrize(
    ("permanent", "failures", "counted", "counts", "ends"),
    [
        (True, 1, 1, True, False),
        (True, 2, 1, True, True),
        (True, 2, 0, False, False),
        (False, 2, 2, True, False),
        (False, 3, 3, True, True),
        (False, 9, 3, False, False),
    ],
)
def test_a_string_ends_at_its_second_rejection_or_its_last_attempt_and_only_where_it_counts(
    permanent: bool, failures: int, counted: int, counts: bool, ends: bool
) -> None:
    failure = Failure("reason", FailureClass.SERVER, "", permanent=permanent)
    attempts = Attempts(successes_before=0, failures=failures, counted=counted)
    assert ends_string(failure, attempts, RULES, counts=counts) is ends
