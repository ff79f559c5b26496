"""What is read of an answer, however odd it is, is something that PostgreSQL takes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace
from support.fakes.ledgers import batch_of, open_ledger, record, taken_first_range, value

from crawl_core.ledger import batches
from crawl_core.ledger.ledger import Ledger
from crawl_core.values.rows import ArtistRow, SearchRow
from crawl_worker.crawl.steps import artist_rows
from crawl_worker.sources.fields import (
    BIGINT_MAX,
    GENRE_CHARACTERS,
    GENRES,
    ID_CHARACTERS,
    IMAGES,
    INTEGER_MAX,
    NAME_CHARACTERS,
    SMALLINT_MAX,
    URL_CHARACTERS,
)
from crawl_worker.sources.outcomes import Page
from crawl_worker.sources.parse import parse_page

NOW_US = 1_760_000_000_000_000
WIDE = "\U0001f3b5"
"""A character of four bytes."""
GREATEST = {
    "name": WIDE * NAME_CHARACTERS,
    "popularity": SMALLINT_MAX,
    "followers": {"total": BIGINT_MAX},
    "genres": [WIDE * GENRE_CHARACTERS] * GENRES,
    "images": [{"url": WIDE * URL_CHARACTERS, "height": INTEGER_MAX, "width": INTEGER_MAX}] * IMAGES,
}
ODD = {"popularity": 2**40, "followers": 1000, "genres": "pop", "images": {"url": 1}}


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(ledger_url) as opened:
        yield opened


def read(*items: dict[str, Any], **page: Any) -> Page:
    return parse_page(json.dumps({"artists": {"items": items, **page}}).encode(), offset=0, limit=50)


def rows_of(page: Page, seen_at_us: int = NOW_US) -> list[ArtistRow]:
    return artist_rows(page.artists, string="aa00", seen_at_us=seen_at_us)


async def test_the_ledger_takes_whatever_is_read_of_an_answer(ledger: Ledger) -> None:
    job = await record(ledger)
    row, owner = await taken_first_range(ledger, job)
    page = read(
        {"id": WIDE * ID_CHARACTERS, **GREATEST},
        {"id": "longer", **GREATEST, "name": WIDE * 5_000, "genres": ["\x00\ud800"] * 500},
        {"id": "least", "name": "\x00", "popularity": 0, "followers": {"total": 0}, "genres": [""], "images": [{}]},
        total=INTEGER_MAX,
    )
    search = SearchRow("aa00", 1, page.total or 0, truncated=False, results=page.count, finished_at_us=NOW_US)
    committed = await batches.commit(ledger, batch_of(row, owner, artists=rows_of(page), searches=[search]))
    assert committed is not None
    assert committed.artists_new == 3


async def test_a_page_of_odd_artists_is_stored_and_what_the_ledger_has_of_them_stays(ledger: Ledger) -> None:
    job = await record(ledger)
    row, owner = await taken_first_range(ledger, job)
    known = {"id": "a", "name": "A", "popularity": 5, "followers": {"total": 6}, "genres": ["pop"], "images": []}
    first = batch_of(row, owner, artists=rows_of(read(known)))
    assert await batches.commit(ledger, first) is not None
    odd = read({"id": "a", "name": "B", **ODD}, {"id": "new", "name": "C", **ODD})
    second = batch_of(replace(row, cursor=first.cursor), owner, artists=rows_of(odd, NOW_US + 1))
    assert await batches.commit(ledger, second) is not None
    stored = "SELECT array_agg(concat_ws(' ', id, name, popularity, followers, genres) ORDER BY id) FROM artist"
    assert await value(ledger, stored) == ["a B 5 6 {pop}", "new C"]
