"""A fault strikes whom its rule names, as often as it says, and a plan with a slip of the pen is refused."""

import textwrap
from typing import Any

import pytest

from crawl_sandbox import faults
from crawl_sandbox.answers import ApiAnswer
from crawl_sandbox.delivery import changed
from crawl_sandbox.errors import FaultError
from crawl_sandbox.faults import Action, Faults, parse_plan

TRUE = ApiAnswer(200, b'{"artists":{"items":[{"id":"x"}],"next":null,"total":1}}')


def plan(match: str, seed: int = 0) -> Faults:
    text = f"{{seed: {seed}, rules: [{{match: {{{match}}}, action: {{status: 500}}}}]}}"
    return Faults(parse_plan(text, origin="test"), now_us=0)


def struck(at_work: Faults, queries: list[str], **where: Any) -> list[bool]:
    call = {"path": "search", "offset": 0, "client_id": "me", "now_us": 0} | where
    return [at_work.decide(query=query, **call) is not None for query in queries]


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ("query: ab", [True, False, False]),
        ("prefix: ab", [True, True, False]),
        ("prefix: a, first_n: 1", [True, False, False]),
        ("every: 2", [False, True, False]),
        ("prefix: ac", [False, False, True]),
        ("path: api", [True, True, True]),
        ("path: artist", [False, False, False]),
        ("offset: 50", [False, False, False]),
        ("client_id: me", [True, True, True]),
        ("client_id: you", [False, False, False]),
        ("from_s: 1", [False, False, False]),
        ("until_s: 1", [True, True, True]),
        ("probability: 0", [False, False, False]),
        ("probability: 1", [True, True, True]),
    ],
)
def test_a_rule_strikes_only_what_it_names(match: str, expected: list[bool]) -> None:
    assert struck(plan(match), ["ab", "abc", "ac"]) == expected


def test_a_rule_can_strike_the_first_attempts_at_every_page() -> None:
    at_work = plan("attempts: 1")
    assert struck(at_work, ["a", "b", "a", "b"]) == [True, True, False, False]
    assert struck(at_work, ["a"], offset=50) == [True]


def test_a_rule_ends_when_its_time_is_over() -> None:
    at_work = plan("from_s: 1, until_s: 2")
    assert [struck(at_work, ["a"], now_us=now_us) for now_us in (999_999, 1_000_000, 2_000_000)] == [
        [False],
        [True],
        [False],
    ]


def test_a_seed_decides_who_is_struck() -> None:
    queries = ["a"] * 200
    assert struck(plan("probability: 0.5", 7), queries) == struck(plan("probability: 0.5", 7), queries)
    assert struck(plan("probability: 0.5", 7), queries) != struck(plan("probability: 0.5", 8), queries)


def test_it_is_reported_how_often_a_rule_matched_and_fired() -> None:
    at_work = plan("first_n: 1")
    struck(at_work, ["a", "b"])
    assert at_work.report() == [{"name": "", "matched": 2, "fired": 1}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: [{action: {stauts: 500}}]", r"unknown field `stauts`.*rules\[0\].action"),
        ("rules: [{match: {}}]", r"missing required field `action`"),
        ("rules: [{action: {status: 99}}]", r">= 200"),
        ("rules: [{match: {path: albums}, action: {}}]", r"albums.*match.path"),
        ("rules: [{match: {probability: 2}, action: {}}]", r"<= 1"),
        ("rules: [{action: {reset: true, drop: true}}]", "one of reset, close_after_read and drop"),
        ("rules: [{action: {retry_after: 3}}]", "write status: 429"),
        ("rules: [{action: {status: 429, retry_after: soon…}}]", "printable ASCII"),
        ("quirks: {odd_names: all}", "odd_names"),
        ("faults: []", "rules, quirks"),
        ("rules: [", "not readable as YAML"),
        ("[]", "Expected `object`"),
    ],
)
def test_a_plan_that_is_wrong_is_refused_with_the_place(text: str, message: str) -> None:
    with pytest.raises(FaultError, match=message):
        parse_plan(text, origin="plan.yaml")


def test_an_empty_plan_has_no_faults() -> None:
    assert parse_plan("", origin="test").rules == ()


@pytest.mark.parametrize(
    ("action", "status", "body"),
    [
        (Action(), 200, TRUE.body),
        (Action(status=500), 500, b'{"error": {"status": 500, "message": "Server error."}}'),
        (Action(status=429, body="text", message="Too many requests"), 429, b"Too many requests"),
        (Action(status=429, body="empty"), 429, b""),
        (Action(body="empty"), 200, b""),
        (Action(body="invalid-json"), 200, TRUE.body[: len(TRUE.body) // 2]),
        (Action(body="no-items"), 200, b'{"artists": {"items": [], "next": null, "total": 1}}'),
        (Action(expire_tokens=True), 401, b'{"error": {"status": 401, "message": "The access token expired"}}'),
        (
            Action(body="QUOTA_EXCEEDED"),
            429,
            b'{"error": {"status": 429, "message": "Too many requests", "reason": "QUOTA_EXCEEDED"}}',
        ),
    ],
)
def test_an_action_changes_the_answer(action: Action, status: int, body: bytes) -> None:
    answer = changed(TRUE, action)
    assert (answer.status, answer.body) == (status, body)


def test_an_html_body_says_so() -> None:
    answer = changed(None, Action(status=502, body="html"))
    assert (answer.status, answer.content_type, answer.body[:6]) == (502, b"text/html", b"<html>")


@pytest.mark.parametrize(("given", "sent"), [("3", "3"), (0, "0"), ("soon", "soon"), ("missing", None), (None, None)])
def test_retry_after_is_sent_as_it_is_written(given: str | int | None, sent: str | None) -> None:
    assert changed(None, Action(status=429, retry_after=given)).retry_after == sent


def test_the_token_endpoint_has_its_own_error_shape() -> None:
    answer = changed(None, Action(status=503), for_token=True)
    assert answer.body == b'{"error": "server_error", "error_description": "Service unavailable"}'


def test_the_plan_in_the_documentation_is_one() -> None:
    example = str(faults.__doc__).split("\n\n")[1]
    plan = parse_plan(textwrap.dedent(example), origin="documentation")
    assert (len(plan.rules), plan.quirks.wobble_total) == (1, 7)
    assert plan.rules[0].match.attempts == 2
