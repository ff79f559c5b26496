"""Token endpoints that answer oddly: only proof ends a crawl, and no life of a token makes a loop."""

from __future__ import annotations

from collections.abc import Callable

from support.odd.failures import HTML
from support.odd.shape import PAGES, Shape
from support.odd.wire import Ask, Json, Reply, Token, answer, error, faithful, granted


def living(expires_in: Json) -> Token:
    """Every token says that it lives so long."""
    return lambda number, _: answer(
        {"access_token": f"token-{number}", "token_type": "Bearer", "expires_in": expires_in}
    )


def _mortal(number: int, since_s: float) -> Reply:
    del since_s
    return answer({"access_token": f"token-{number}", "token_type": "Bearer"})


def body(text: bytes, status: int = 200, **headers: str) -> Callable[[int], Reply]:
    return lambda _: Reply(text, status, {key.replace("_", "-"): value for key, value in headers.items()})


def refusal(code: str, status: int = 400) -> Callable[[int], Reply]:
    return lambda _: answer({"error": code, "error_description": f"It is {code}."}, status)


def _token(value: Json) -> Callable[[int], Reply]:
    return lambda _: answer({"access_token": value, "token_type": "Bearer", "expires_in": 3600})


def _renewed(ask: Ask) -> Reply:
    """Each token is refused from its fourth use on, so that it is renewed several times."""
    return error(401, "The access token expired") if ask.token_uses > 3 else faithful(ask)


Odd = Callable[[int], Reply]


def in_turn(name: str, why: str, *odd: Odd) -> Shape:
    """The first answers are odd, each in another way; then there is a token."""
    return Shape(
        name,
        why,
        token=lambda number, since_s: odd[number - 1](number) if number <= len(odd) else granted(number, since_s),
        tokens=len(odd) + 1,
    )


def midway(name: str, why: str, *odd: Odd) -> Shape:
    """Tokens are renewed several times, and every second answer is odd."""

    def token(number: int, since_s: float) -> Reply:
        return granted(number, since_s) if number % 2 else odd[(number // 2 - 1) % len(odd)](number)

    return Shape(name, why, _renewed, token, requests=(PAGES + 2, PAGES + 24), tokens=16)


TOKENS = [
    Shape("token-lives-0", "a life of 0 s", token=living(0), tokens=5),
    Shape("token-lives-text", "a life as text", token=living("3600"), tokens=5),
    Shape("token-lives-negative", "a life that is over", token=living(-1), tokens=5),
    Shape("token-lives-float", "a life as a float", token=living(3600.5), tokens=2),
    Shape("token-lives-null", "null for a life", token=living(None), tokens=5),
    Shape("token-lives-words", "a life in words", token=living("an hour"), tokens=5),
    Shape("token-lives-for-ever", "a life beyond any clock", token=living(1e308), tokens=2),
    Shape("token-lives-list", "a list for a life", token=living([3600]), tokens=5),
    Shape("token-life-absent", "no life at all", token=_mortal, tokens=5),
    in_turn(
        "token-refusals",
        "refusals that are no proof",
        refusal("errorTransient"),
        refusal("temporarily_unavailable", 503),
        body(HTML, 403, Content_Type="text/html"),
        body(b"not found", 404),
        body(b"Too many requests", 429, Retry_After="1"),
    ),
    in_turn(
        "token-bodies",
        "answers without a token",
        body(HTML, 200, Content_Type="text/html"),
        body(b"", 500),
        body(b'{"access_token": "tok'),
        lambda _: answer({"token_type": "Bearer"}),
        lambda _: answer([]),
    ),
    in_turn(
        "token-kinds",
        "tokens that are no text, or hold no token",
        _token(None),
        _token(7),
        _token(["token"]),
        _token(""),
    ),
    in_turn(
        "token-characters",
        "tokens that no header can hold",
        _token("a\r\nX-Injected: 1"),
        _token("a\0b"),
        _token("t\u00e9"),
        _token("a b"),
    ),
    in_turn(
        "token-connections",
        "no answer, and one that leads elsewhere",
        lambda _: Reply(b"", dropped=True),
        lambda _: Reply(b'{"access_token": "half-way", "expires_in": 3600}', cut=True),
        lambda _: Reply(b"", 302, {"Location": "http://127.0.0.2:9/steal"}),
    ),
    midway(
        "token-refused-midway",
        "refusals that are no proof, at renewals",
        refusal("errorTransient"),
        body(HTML, 403, Content_Type="text/html"),
        lambda _: error(400, "Bad request"),
    ),
    midway(
        "token-denied-midway",
        "denials of what worked a moment ago",
        refusal("invalid_client", 401),
        refusal("invalid_grant"),
        refusal("unauthorized_client"),
    ),
]
