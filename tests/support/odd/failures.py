"""Refusals and broken answers, of everybody or of one string, passing or for ever; pauses that are too short."""

from __future__ import annotations

import email.utils
import gzip
import time
import zlib
from collections.abc import Sequence

from support.odd.paging import at_first, for_a_while, for_ever
from support.odd.shape import APART, PAGES, Shape
from support.odd.wire import Ask, Json, Reply, Search, answer, artists, error, faithful

ATTEMPTS = 4
"""The suite's retry.maxAttempts."""

HTML = b"<!DOCTYPE html><html><head><title>One moment</title></head><body>Please come back.</body></html>"
SOME = ("ab", "bc", "cb")
"""Strings that fail while others succeed."""


def says(status: int, message: str = "", **headers: str) -> Search:
    return lambda _: error(status, message, headers={key.replace("_", "-"): value for key, value in headers.items()})


def sends(body: bytes, status: int = 200, content_type: str = "application/json") -> Search:
    return lambda _: Reply(body, status, {"Content-Type": content_type})


def content(value: Json) -> Search:
    return lambda _: answer(value)


def each(odd: Sequence[Search]) -> Search:
    """Some strings are odd, each in another way."""
    return lambda ask: odd[SOME.index(ask.string) % len(odd)](ask) if ask.string in SOME else faithful(ask)


def passing(name: str, why: str, *odd: Search) -> Shape:
    """Some strings fail twice, each in its way; nothing is lost, and nothing given up."""
    return Shape(name, why, at_first(each(odd), times=2, strings=SOME), requests=(PAGES + 6, PAGES + 24))


def once(name: str, why: str, *odd: Search) -> Shape:
    """Some strings get such an answer once."""
    return Shape(name, why, at_first(each(odd), strings=SOME), requests=(PAGES + 3, PAGES + 18))


def buried(name: str, why: str, odd: Sequence[Search], reasons: Sequence[str]) -> Shape:
    """Some strings get nothing else, and are given up with the reason; as many control requests beside them."""
    dead = dict(zip(SOME, reasons, strict=False))
    strange = each(odd)
    return Shape(
        name,
        why,
        lambda ask: strange(ask) if ask.string in dead else faithful(ask),
        requests=(PAGES + 1, PAGES + APART * len(dead)),
        dead=dead,
    )


def cut(ask: Ask) -> Reply:
    return Reply(**{**vars(faithful(ask)), "cut": True})


def dropped(_: Ask) -> Reply:
    return Reply(b"", dropped=True)


def truncated(ask: Ask) -> Reply:
    body = faithful(ask).body
    return Reply(body[: len(body) * 2 // 3])


def _encoded(ask: Ask, *, encoding: str) -> Reply:
    body = faithful(ask).body
    return Reply(
        gzip.compress(body) if encoding == "gzip" else zlib.compress(body), headers={"Content-Encoding": encoding}
    )


def _with(**how: Json) -> Search:
    return lambda ask: Reply(**{**vars(faithful(ask)), **how})


def _called_otherwise(ask: Ask) -> Reply:
    types = ("text/html", "application/json; charset=iso-8859-1", "", "a b c; =", "application/octet-stream")
    return Reply(faithful(ask).body, headers={"Content-Type": types[ask.number % len(types)]})


def _slow(ask: Ask) -> Reply:
    return Reply(faithful(ask).body, delay_s=1.4 if ask.string in ("ab", "cc") else 0.0)


def _spares_small_answers(ask: Ask) -> Reply:
    """For four seconds nothing large gets through; a small answer does."""
    large = ask.limit > 5 and len(artists(ask)) > 0
    return error(502, "Bad gateway.") if large and ask.since_s < 4 else faithful(ask)


def _refuses_large_limits_for_a_while(ask: Ask) -> Reply:
    return error(500, "Server error.") if ask.limit > 1 and ask.since_s < 4 else faithful(ask)


def _limited(ask: Ask, *, seconds: float, after: Json) -> Reply:
    """429 for everybody until so long after the first request."""
    headers = {} if after is None else {"Retry-After": after}
    return error(429, "API rate limit exceeded", headers=headers) if ask.since_s < seconds else faithful(ask)


def limited(seconds: float, after: Json) -> Search:
    return lambda ask: _limited(ask, seconds=seconds, after=after)


def _dated(ask: Ask) -> Reply:
    at = email.utils.formatdate(time.time() + 1.0, usegmt=True)
    return error(429, headers={"Retry-After": at}) if ask.number <= 1 else faithful(ask)


def _first(odd: Search, count: int) -> Search:
    return lambda ask: odd(ask) if ask.number <= count else faithful(ask)


def _worn_out(uses: int) -> Search:
    """Each token is refused once it was used so often."""

    def search(ask: Ask) -> Reply:
        return error(401, "The access token expired") if ask.token_uses > uses else faithful(ask)

    return search


ALONE = {"concurrency": 1}

FAILURES = [
    # Its pauses double until a control string is asked for: half a minute.
    Shape(
        "429-for-one-string",
        "a refusal of the rate that always falls on the same string",
        for_ever(says(429, Retry_After="1"), "ca"),
        requests=(PAGES, PAGES + APART),
        dead={"ca": r"429|rate"},
    ),
    passing("404-passing", "a few strings are not found, twice each", says(404, "Not found.")),
    passing("4xx-passing", "a few are refused, twice each", says(403, "Forbidden"), says(410), sends(b"", 404)),
    passing("4xx-odd-passing", "in other ways", says(405), says(451), sends(HTML, 403, "text/html")),
    passing("5xx-passing", "errors", says(500), sends(HTML, 502, "text/html"), says(503, Retry_After="1")),
    passing(
        "5xx-odd-passing",
        "errors that only a content network knows",
        sends(b"error code: 520", 520, "text/plain"),
        sends(b"", 599),
        says(504),
    ),
    passing("broken-passing", "an answer that breaks off", cut, dropped, truncated),
    passing("html-with-200", "a proxy's page that calls itself well", sends(HTML, 200, "text/html")),
    once("200-of-nothing", "an answer that is none", sends(b""), content(None), content([])),
    once(
        "200-without-page",
        "an answer without a page",
        content({}),
        content({"artists": None}),
        content({"artists": []}),
    ),
    once(
        "200-without-items",
        "a page without items, or an error that calls itself well",
        content({"artists": {"items": "none", "total": 5}}),
        content({"error": {"status": 502, "message": "Bad gateway."}}),
        sends(b"{}", 202),
    ),
    once(
        "statuses-of-no-answer",
        "no content, not modified, somewhere else",
        sends(b"", 204),
        sends(b"", 304),
        lambda _: Reply(b"", 302, {"Location": "http://127.0.0.2:9/v1/search"}),
    ),
    buried("404-for-one-string", "one string is never found", [says(404, "Not found.")], ["404"]),
    buried(
        "4xx-for-ever", "three strings are always refused", [says(403), says(410), says(405)], ["403", "410", "405"]
    ),
    buried(
        "5xx-for-ever",
        "three strings are always errors",
        [says(500), says(503, Retry_After="0"), sends(HTML, 502, "text/html")],
        ["500", "503", "502"],
    ),
    buried(
        "broken-for-ever",
        "three strings have answers that are none",
        [cut, sends(HTML, 200, "text/html"), truncated],
        ["closed|cut|answer", "body", "body"],
    ),
    Shape(
        "queries-refused",
        "a query that the API does not take, and one that is too long",
        lambda ask: each([says(400, "No search query"), sends(HTML, 414, "text/html"), faithful])(ask),
        requests=(PAGES, PAGES + 10),
        dead={"ab": "400", "bc": "414"},
    ),
    Shape(
        "401-for-one-string",
        "a refusal of the token that always falls on the same string",
        for_ever(says(401, "Invalid access token"), "ca"),
        requests=(PAGES, PAGES + 40),
        tokens=3 * ATTEMPTS + 2,
        dead={"ca": r"401|token|unauthorized"},
    ),
    Shape(
        "401-for-a-while",
        "every token is refused for three seconds",
        for_a_while(says(401, "Invalid access token"), 3.0),
        requests=(PAGES + 1, PAGES + 60),
        tokens=30,
    ),
    Shape(
        "404-for-a-while",
        "nothing is found for three seconds",
        for_a_while(says(404, "Not found."), 3.0),
        requests=(PAGES + 1, PAGES + 60),
    ),
    Shape(
        "spares-small-answers",
        "a fault of everybody's that large answers alone get",
        _spares_small_answers,
        requests=(PAGES + 1, PAGES + 80),
    ),
    Shape(
        "spares-small-limits",
        "a fault of everybody's that a limit of 1 does not get",
        _refuses_large_limits_for_a_while,
        requests=(PAGES + 1, PAGES + 80),
    ),
    Shape(
        "tokens-wear-out",
        "each token is refused from its fourth use on",
        _worn_out(3),
        requests=(PAGES + 2, PAGES + 16),
        tokens=8,
    ),
    Shape(
        "retry-after-too-short",
        "a pause of 1 s that turns out too short for six seconds",
        limited(6.0, "1"),
        requests=(PAGES + 2, PAGES + 5),
        workers=ALONE,
    ),
    Shape(
        "retry-after-0", "no pause, again and again", limited(4.0, "0"), requests=(PAGES + 2, PAGES + 5), workers=ALONE
    ),
    Shape(
        "retry-after-absent", "429 without a pause", limited(4.0, None), requests=(PAGES + 2, PAGES + 5), workers=ALONE
    ),
    Shape(
        "retry-after-odd",
        "pauses of half a second, in words, and before now",
        lambda ask: (
            error(429, headers={"Retry-After": ("0.5", "soon", "-5")[ask.number - 1]})
            if ask.number <= 3
            else faithful(ask)
        ),
        requests=(PAGES + 3, PAGES + 3),
        workers=ALONE,
    ),
    Shape("retry-after-date", "an instant instead of seconds", _dated, requests=(PAGES + 1, PAGES + 4), workers=ALONE),
    Shape(
        "429-in-plain-text",
        "Too many requests, and nothing else",
        _first(lambda _: Reply(b"Too many requests", 429, {"Content-Type": "text/plain", "Retry-After": "1"}), 1),
        requests=(PAGES + 1, PAGES + 4),
        workers=ALONE,
    ),
    Shape("gzip", "a body that is compressed", lambda ask: _encoded(ask, encoding="gzip")),
    Shape("deflate", "in the other way", lambda ask: _encoded(ask, encoding="deflate")),
    Shape("chunked", "a body of unknown length", _with(chunked=True)),
    Shape("closing", "a connection for each answer", _with(closing=True)),
    Shape("content-types", "JSON that calls itself something else", _called_otherwise),
    Shape("byte-order-mark", "three bytes before the JSON", lambda ask: Reply(b"\xef\xbb\xbf" + faithful(ask).body)),
    Shape(
        "spaces",
        "much white space around the JSON",
        lambda ask: Reply(b"\r\n \t" * 9 + faithful(ask).body + b"\n" * 99),
    ),
    Shape("slow", "some answers come shortly before the timeout", _slow, source={"requestTimeout": "3s"}),
]
