"""What a token endpoint's answers mean: a grant, a denial by OAuth's own words, and everything else an outage."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crawl_worker.sources.outcomes import Denied, Granted, NoToken, TokenOutcome
from crawl_worker.sources.token_answers import read_token_answer
from crawl_worker.sources.wire import HttpAnswer


def read(status: int, body: bytes | str) -> TokenOutcome:
    return read_token_answer(HttpAnswer(status, {}, body.encode() if isinstance(body, str) else body))


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client", "invalid_grant"])
def test_oauths_own_words_deny_the_credentials(status: int, error: str) -> None:
    assert read(status, json.dumps({"error": error, "error_description": "Invalid client"})) == Denied("Invalid client")
    assert read(status, json.dumps({"error": error})) == Denied(error)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, '{"error":"errorTransient"}'),
        (400, '{"error":"server_error","error_description":"Failed to get client"}'),
        (400, '{"error":"temporarily_unavailable"}'),
        (400, '{"error":"slow_down","error_description":"invalid_client"}'),
        (400, '{"error":"INVALID_CLIENT"}'),
        (400, '{"error":{"message":"invalid_client"}}'),
        (400, '{"error":["invalid_client"]}'),
        (400, '["invalid_client"]'),
        (400, '"invalid_client"'),
        (400, '{"error":"invalid_client"'),
        (401, ""),
        (401, "Unauthorized"),
        (401, "error=invalid_client"),
        (403, "<html><h1>403 Forbidden</h1>invalid_client</html>"),
        (403, '{"error":null}'),
        (404, '{"error":"invalid_client"}'),
        (407, '{"error":"invalid_client"}'),
        (429, '{"error":"invalid_client"}'),
        (500, '{"error":"invalid_client"}'),
        (503, '{"error":"invalid_grant"}'),
        (302, ""),
        (0, ""),
        (999, "x"),
    ],
)
def test_a_refusal_in_any_other_form_may_pass(status: int, body: str) -> None:
    outcome = read(status, body)
    assert isinstance(outcome, NoToken)
    assert outcome.reason == f"token_http_{status}"
    assert outcome.message


def test_a_200_that_says_an_error_may_pass_and_says_which() -> None:
    assert read(200, '{"error":"invalid_client","error_description":"No"}') == NoToken(
        "invalid_token_body", "no access_token in the answer: No"
    )


@pytest.mark.parametrize(
    ("written", "expires_in_s"),
    [
        ("3600", 3600.0),
        ("3600.5", 3600.5),
        ('"3600"', 3600.0),
        ('" 60 "', 60.0),
        ("3.6e3", 3600.0),
        ("0", 0.0),
        ("-5", -5.0),
        ("1e308", 1e308),
        ("9" * 5000, None),
        ("1e400", None),
        ("null", None),
        ("true", None),
        ('"soon"', None),
        ('"NaN"', None),
        ('"Infinity"', None),
        ("[3600]", None),
        ('{"seconds":3600}', None),
    ],
)
def test_a_lifetime_in_any_form_refuses_no_token(written: str, expires_in_s: float | None) -> None:
    assert read(200, f'{{"access_token":"t","expires_in":{written}}}') == Granted("t", expires_in_s)


def test_a_lifetime_may_be_absent_and_anything_may_stand_beside_it() -> None:
    assert read(200, '{"access_token":"t","scope":[{"a":1}],"token_type":7}') == Granted("t", None)
    assert read(201, '{"access_token":"t"}') == Granted("t", None)


@pytest.mark.parametrize(
    "token", ["", " ", "a b", "a\r\nX-Injected: 1", "a\n", "a\0b", "t\u00e9", "\U0001f600", "a\x7f", "t" * 8193]
)
def test_a_token_that_no_header_can_carry_is_none(token: str) -> None:
    outcome = read(200, json.dumps({"access_token": token, "expires_in": 3600}))
    assert isinstance(outcome, NoToken)
    assert outcome.reason == "invalid_token_body"
    assert outcome.message.isprintable()


@pytest.mark.parametrize("token", ["t", "t" * 8192, "a.b-c_d~e+f/g="])
def test_a_token_that_a_header_can_carry_is_one(token: str) -> None:
    assert read(200, json.dumps({"access_token": token})) == Granted(token, None)


@pytest.mark.parametrize("written", ["null", "7", "[]", "{}", '["t"]', "true"])
def test_a_token_that_is_no_text_is_none(written: str) -> None:
    outcome = read(200, f'{{"access_token":{written}}}')
    assert isinstance(outcome, NoToken)
    assert outcome.message.startswith("no access_token in the answer")


def test_a_token_under_another_name_is_shown_nowhere() -> None:
    assert read(200, '{"accessToken":"hush","expiresIn":3600}') == NoToken(
        "invalid_token_body", "no access_token in the answer: it has accessToken, expiresIn"
    )


HOSTILE = b'"\\u001b]0;PWNED\\u0007\\u001b[2JFAKE\\nSucceeded 100%\\u0000' + b"x" * 60_000 + b'"'


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("field", [b"error", b"error_description"])
def test_what_an_error_says_is_one_short_line_without_commands(status: int, field: bytes) -> None:
    outcome = read(status, b'{"' + field + b'":' + HOSTILE + b"}")
    assert isinstance(outcome, NoToken)
    assert outcome.message.isprintable()
    assert len(outcome.message) <= 400


@settings(max_examples=500, deadline=None, database=None)
@given(status=st.integers(0, 999), body=st.binary(max_size=80))
@example(200, b'{"access_token":' + b"[" * 60_000)
@example(400, b'{"error":' + b'{"a":' * 10_000)
@example(200, b'{"access_token":"\\ud800"}')
@example(200, b"\xef\xbb\xbf{}")
@example(200, b'{"access_token":"t","expires_in":' + b"9" * 60_000 + b"}")
def test_nothing_raises_and_no_message_carries_what_a_terminal_obeys(status: int, body: bytes) -> None:
    outcome = read(status, body)
    assert isinstance(outcome, Granted) or "Cc" not in map(unicodedata.category, outcome.message)
