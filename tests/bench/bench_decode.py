"""Decoding a page of 50 artists: our parser beside pydantic's validate_json of the six stored fields."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

from pydantic import BaseModel

from crawl_worker.sources.parse import parse_page
from tests.bench.rows import Row, at_most, stated

CALLS = 400
ROUNDS = 5


class Followers(BaseModel):
    total: int | None = None


class Image(BaseModel):
    url: str
    height: int | None = None
    width: int | None = None


class Artist(BaseModel):
    id: str
    name: str
    popularity: int | None = None
    followers: Followers | None = None
    genres: list[str] | None = None
    images: list[Image] | None = None


class Artists(BaseModel):
    items: list[Artist]
    total: int
    next: str | None = None


class Body(BaseModel):
    artists: Artists


def page(count: int) -> bytes:
    """An answer as the API gives it, with all the fields that nobody stores."""
    items = [
        {
            "external_urls": {"spotify": f"https://open.spotify.com/artist/{n:022d}"},
            "followers": {"href": None, "total": 1000 + n},
            "genres": ["swedish pop", "indie"],
            "href": f"https://api.spotify.com/v1/artists/{n:022d}",
            "id": f"{n:022d}",
            "images": [
                {"url": f"https://i.scdn.co/image/ab6761610000e5eb{n:024x}", "height": s, "width": s}
                for s in (640, 320, 160)
            ],
            "name": f"Artist number {n}",
            "popularity": n,
            "type": "artist",
            "uri": f"spotify:artist:{n:022d}",
        }
        for n in range(count)
    ]
    artists = {"href": "x", "limit": 50, "next": None, "offset": 0, "previous": None, "total": count, "items": items}
    return json.dumps({"artists": artists}).encode()


def run() -> list[Row]:
    full, empty = page(50), page(0)
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(ROUNDS):
        ours.append(_us_a_call(lambda: parse_page(full, offset=0, limit=50)))
        theirs.append(_us_a_call(lambda: Body.model_validate_json(full)))
    parser, pydantic = statistics.median(ours), statistics.median(theirs)
    return [
        at_most("our parser / pydantic with six fields, 50 artists", parser / pydantic, 0.5),
        stated("our parser", parser, "us/page"),
        stated("pydantic validate_json", pydantic, "us/page"),
        stated("our parser, empty page", _us_a_call(lambda: parse_page(empty, offset=0, limit=50)), "us/page"),
    ]


def _us_a_call(call: Callable[[], object]) -> float:
    started = time.process_time()
    for _ in range(CALLS):
        call()
    return (time.process_time() - started) / CALLS * 1e6
