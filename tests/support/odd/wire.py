"""What is asked of a fake search API and what it answers, as values; and the pages of an API that answers well."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

SIZES = {"aa": 120, "ab": 23, "ac": 0, "ba": 1, "bb": 2, "bc": 50, "ca": 23, "cb": 7, "cc": 61}
"""How many artists there are for each string of the keyspace; for any other string there are none."""

PAGE = 50

Json = Any


@dataclass(frozen=True)
class Ask:
    """One search, as the API sees it."""

    string: str
    offset: int
    limit: int
    number: int
    """How many searches there were, this one included."""
    nth: int
    """How often this page was asked for, this time included."""
    since_s: float
    """Seconds since the first search."""
    token: str
    token_uses: int = 1
    """How many searches bore its token, this one included."""


@dataclass(frozen=True)
class Reply:
    """What goes out on the wire."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    chunked: bool = False
    cut: bool = False
    """Whether the connection closes half-way through the body."""
    dropped: bool = False
    """Whether it closes without an answer."""
    closing: bool = False
    """Whether it closes after the answer, as HTTP/1.0 does."""


Search = Callable[[Ask], Reply]
Token = Callable[[int, float], Reply]
"""From the number of the token that is asked for, 1 being the first, and the seconds since then."""


def artist(string: str, index: int) -> dict[str, Json]:
    """The artist at this offset of this string's results."""
    return {
        "external_urls": {"spotify": f"https://open.example.com/artist/{index}"},
        "followers": {"href": None, "total": 1000 + index},
        "genres": [f"genre {index % 3}"],
        "href": None,
        "id": f"{string}{index:020d}",
        "images": [{"url": f"https://i.example.com/{index}", "height": 640, "width": 640}],
        "name": f"{string} artist {index}",
        "popularity": index % 100,
        "type": "artist",
        "uri": f"example:artist:{index}",
    }


def artists(ask: Ask, *, limit: int | None = None) -> list[Json]:
    """The artists of the page that was asked for, or of a smaller one."""
    end = min(SIZES.get(ask.string, 0), ask.offset + (ask.limit if limit is None else limit))
    return [artist(ask.string, index) for index in range(ask.offset, end)]


def page(ask: Ask, **changes: Json) -> dict[str, Json]:
    """The `artists` of a proper answer, with some fields as given. A limit that is given makes a page of that size."""
    limit = changes.get("limit", ask.limit)
    limit = limit if isinstance(limit, int) else ask.limit
    total, end = SIZES.get(ask.string, 0), ask.offset + limit
    following = f"https://api.example.com/v1/search?q={ask.string}&offset={end}&limit={limit}" if end < total else None
    proper = {
        "href": "https://api.example.com/v1/search",
        "items": artists(ask, limit=limit),
        "limit": limit,
        "next": following,
        "offset": ask.offset,
        "previous": None,
        "total": total,
    }
    return proper | changes


def answer(content: Json, status: int = 200, **more: Any) -> Reply:
    """A reply with JSON in it."""
    return Reply(json.dumps(content).encode(), status, **more)


def error(status: int, message: str = "", **more: Any) -> Reply:
    """An error as the API words it."""
    return answer({"error": {"status": status, "message": message or f"Status {status}."}}, status, **more)


def faithful(ask: Ask) -> Reply:
    """The proper answer."""
    return answer({"artists": page(ask)})


def granted(number: int, since_s: float) -> Reply:
    """A token for an hour."""
    del since_s
    return answer({"access_token": f"token-{number}", "token_type": "Bearer", "expires_in": 3600})
