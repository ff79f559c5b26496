"""Bodies as a careful reader reads them, and what PostgreSQL cannot store taken out of them."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl_core.text import storable
from crawl_worker.sources import json_body
from crawl_worker.sources.json_body import InvalidBodyError, decode, storable_json

PIECES = [
    "\\\\",
    "\\",
    "u0000",
    "\\u0000",
    "\\ud83d",
    "\\uD83D",
    "\\ude00",
    "\\uDFFF",
    "\\u00e9",
    "é",
    "a",
    '\\"',
    "\\n",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_a_body_holds_what_it_held_but_for_what_postgresql_cannot_store(written: str) -> None:
    body = f'"{written}"'.encode()
    try:
        held = json.loads(body)
    except ValueError:
        with pytest.raises(InvalidBodyError):
            decode(body)
        return
    assert json.loads(storable_json(body)) == decode(body) == storable(held)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'{"a":"one\nline\tmore"}', {"a": "one\nline\tmore"}),
        (b'[1.0,1e3,18446744073709551615,"x"]', [1.0, 1000.0, 2**64 - 1, "x"]),
        (b"[" + b"9" * 100_000 + b",1e999,-1e999]", [math.inf, math.inf, -math.inf]),
        (b'{"a":1,"a":2}', {"a": 2}),
    ],
)
def test_json_as_it_is_in_the_wild_is_read(body: bytes, value: object) -> None:
    assert decode(body) == value


def test_what_is_no_number_is_read_as_such() -> None:
    assert str(decode(b"[NaN,Infinity,-Infinity]")) == "[nan, inf, -inf]"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xef\xbb\xbf",
        b"Too many requests",
        b'{"a":1',
        b'{"a":1} x',
        b'{"a":"\xff"}',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        b"[" * 1_000_000,
        b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
        b"\x1f\x8b\x08\x00",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_body_that_is_no_json_is_an_error_of_ours(body: bytes) -> None:
    with pytest.raises(InvalidBodyError):
        decode(body)


def test_no_function_is_called_for_each_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    # A call an escape takes seconds for a page that is full of them.
    monkeypatch.setattr(json_body, "_UNSTORABLE_ESCAPES", _WithoutCalls(json_body._UNSTORABLE_ESCAPES))
    assert storable_json(rb'"\u0000\\u0000\ud800"') == rb'"\ufffd\u005cu0000\ufffd"'


class _WithoutCalls:
    def __init__(self, pattern: object) -> None:
        self._pattern = pattern

    def sub(self, replacement: bytes, body: bytes) -> bytes:
        assert isinstance(replacement, bytes)
        assert rb"\g" not in replacement
        return self._pattern.sub(replacement, body)  # type: ignore[attr-defined, no-any-return]
