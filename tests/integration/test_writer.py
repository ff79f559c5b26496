"""Steps reach a real ledger in order and once, whatever becomes of acknowledgements, fences and data."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import psycopg
import pytest

from crawl_core.clock import SYSTEM_CLOCK
from crawl_core.errors import FenceLostError, LedgerUnavailableError
from crawl_core.ledger import batches, jobs, ranges
from crawl_core.ledger.ledger import Ledger
from crawl_core.spec import parse_crawljob
from crawl_core.values.rows import ArtistRow, Batch, Committed, Cursor, RangeRow, RequestRow, SearchRow
from crawl_worker.crawl.range_strings import RangeStrings
from crawl_worker.crawl.steps import RangeStep
from crawl_worker.crawl.writer import RangeWriter

JOB = """
apiVersion: artistcrawl.dev/v1alpha1
kind: CrawlJob
metadata: {name: writer}
spec: {keyspace: {alphabet: abcdef, minLength: 2, maxLength: 2, rangeSize: 6}}
"""
STRINGS = ["aa", "ab", "ac", "ad", "ae", "af"]


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    opened = await Ledger.open(ledger_url, max_connections=4, application_name="test")
    yield opened
    await opened.close()


async def _taken(ledger: Ledger) -> tuple[RangeRow, str]:
    """The first range of a new job, owned by a new owner."""
    job = await jobs.record(ledger, parse_crawljob(JOB, origin="t"), uid="u", bucket="b", bucket_scope="Named")
    range_id = (await ranges.open_ids(ledger, job.id, limit=1))[0]
    return await _take(ledger, range_id)


async def _take(ledger: Ledger, range_id: int) -> tuple[RangeRow, str]:
    owner = str(uuid.uuid4())
    found = await ranges.read(ledger, range_id)
    assert found is not None
    row = await ranges.take(ledger, range_id, fence=found.fence, owner=owner, job_uid="u")
    assert row is not None
    return row, owner


def _after(string: str) -> Cursor | None:
    index = STRINGS.index(string) + 1
    return Cursor(STRINGS[index]) if index < len(STRINGS) else None


def _writer(ledger: Ledger, row: RangeRow, owner: str, children: list[int] | None = None) -> RangeWriter:
    async def push(ids: list[int]) -> None:
        (children if children is not None else []).extend(ids)

    return RangeWriter(
        ledger=ledger,
        row=row,
        owner=owner,
        strings=RangeStrings(parse_crawljob(JOB, origin="t").spec.keyspace.to_keyspace(), row),
        clock=SYSTEM_CLOCK,
        on_children=push,
    )


def _step(string: str, *artist_names: str) -> RangeStep:
    artists = [
        ArtistRow(
            id=f"{string}{index}",
            name=name,
            popularity=1,
            followers=None,
            genres=None,
            images=None,
            first_query=string,
            seen_at_us=1,
        )
        for index, name in enumerate(artist_names)
    ]
    request = RequestRow(
        at_us=1, string=string, page_offset=0, page_size=50, status=200, outcome="ok", duration_s=0.1, worker="w"
    )
    search = SearchRow(
        string=string, pages=1, total=len(artists), truncated=False, results=len(artists), finished_at_us=1
    )
    return RangeStep(string, _after(string), [request], artists, search, covered=1)


def _column(url: str, statement: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute(statement).fetchall()]  # type: ignore[call-overload]


async def test_steps_land_in_order_and_the_range_ends(ledger: Ledger, ledger_url: str) -> None:
    writer = _writer(ledger, *await _taken(ledger))
    for string in STRINGS[:2]:
        writer.add(_step(string, "A"))
    await writer.flush()
    for string in STRINGS[2:]:
        writer.add(_step(string))
    await writer.flush()
    assert _column(ledger_url, "SELECT string FROM search ORDER BY 1") == STRINGS
    assert _column(ledger_url, "SELECT state FROM crawl_range ORDER BY id LIMIT 1") == ["done"]


async def test_nothing_is_old_once_everything_is_committed(ledger: Ledger) -> None:
    writer = _writer(ledger, *await _taken(ledger))
    writer.add(_step("aa"))
    assert writer.age_s > 0
    await writer.flush()
    assert writer.age_s == 0


async def test_the_former_owner_of_a_range_writes_nothing(ledger: Ledger, ledger_url: str) -> None:
    row, owner = await _taken(ledger)
    sleeper = _writer(ledger, row, owner)
    sleeper.add(_step("aa", "A"))
    rightful = _writer(ledger, *await _take(ledger, row.id))
    with pytest.raises(FenceLostError):
        await sleeper.flush()
    assert _column(ledger_url, "SELECT string FROM search") == []
    assert _column(ledger_url, "SELECT name FROM artist") == []
    rightful.add(_step("aa", "A"))
    await rightful.flush()
    assert _column(ledger_url, "SELECT string FROM search") == ["aa"]


@pytest.mark.parametrize("landed_first", [True, False])
async def test_a_batch_without_acknowledgement_lands_once(
    ledger: Ledger, ledger_url: str, monkeypatch: pytest.MonkeyPatch, landed_first: bool
) -> None:
    real = batches.commit

    async def cut(ledger: Ledger, batch: Batch) -> Committed | None:
        if landed_first:
            await real(ledger, batch)
        raise LedgerUnavailableError("the connection was cut")

    writer = _writer(ledger, *await _taken(ledger))
    writer.add(_step("aa", "A"))
    with monkeypatch.context() as patched:
        patched.setattr(batches, "commit", cut)
        with pytest.raises(LedgerUnavailableError):
            await writer.flush()
        assert writer.age_s > 0
        writer.add(_step("ab"))
    await writer.flush()
    assert _column(ledger_url, "SELECT string FROM search ORDER BY 1") == ["aa", "ab"]
    assert _column(ledger_url, "SELECT sum(requests)::int FROM crawl_range") == [2]


async def test_a_range_that_fell_back_with_the_ledger_is_given_up(ledger: Ledger, ledger_url: str) -> None:
    """A failover to an older state takes commits back; what follows them must not be written over the gap."""
    writer = _writer(ledger, *await _taken(ledger))
    writer.add(_step("aa"))
    await writer.flush()
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        connection.execute("DELETE FROM search")
        connection.execute("""UPDATE crawl_range SET cursor = '{"string": "aa"}' WHERE first = 'aa'""")
    writer.add(_step("ab"))
    with pytest.raises(FenceLostError):
        await writer.flush()
    assert _column(ledger_url, "SELECT string FROM search") == []


async def test_data_that_the_ledger_refuses_costs_its_own_string_only(ledger: Ledger, ledger_url: str) -> None:
    writer = _writer(ledger, *await _taken(ledger))
    for string in STRINGS:
        writer.add(_step(string, "bad \x00 name" if string == "ad" else "fine"))
    await writer.flush()
    assert _column(ledger_url, "SELECT string FROM search ORDER BY 1") == ["aa", "ab", "ac", "ae", "af"]
    assert _column(ledger_url, "SELECT string || ' ' || reason FROM dead_letter") == ["ad refused_by_ledger"]
    assert _column(ledger_url, "SELECT count(*)::int FROM artist") == [5]
    assert _column(ledger_url, "SELECT covered::int FROM crawl_range ORDER BY id LIMIT 1") == [6]


ITSELF: list[object] = []
ITSELF.append(ITSELF)

UNSTORABLE: dict[str, dict[str, Any]] = {
    "an id longer than an index takes": {"id": secrets.token_hex(20_000)},
    "a name that is none": {"name": None},
    "half a surrogate pair": {"name": "\ud800"},
    "an integer beyond its column": {"popularity": 40_000},
    "an integer beyond 63 bits": {"followers": 2**63},
    "an integer beyond 64 bits": {"followers": 2**70},
    "a fraction where an integer is due": {"followers": 1.5},
    "text where an integer is due": {"popularity": "much"},
    "an object where an array is due": {"genres": {"a": 1}},
    "NUL in a nested value": {"images": [{"url": "\x00"}]},
    "a value within itself": {"images": ITSELF},
    "a value that is no JSON": {"images": [object()]},
    "an instant beyond all": {"seen_at_us": 10**19},
}


@pytest.mark.parametrize("odd", UNSTORABLE)
async def test_whatever_the_ledger_cannot_store_costs_its_own_string_only(
    ledger: Ledger, ledger_url: str, odd: str
) -> None:
    writer = _writer(ledger, *await _taken(ledger))
    for string in STRINGS:
        step = _step(string, "fine")
        if string == "ad":
            step.artists[0] = msgspec.structs.replace(step.artists[0], **UNSTORABLE[odd])
        writer.add(step)
    await writer.flush()
    assert _column(ledger_url, "SELECT string FROM search ORDER BY 1") == ["aa", "ab", "ac", "ae", "af"]
    assert _column(ledger_url, "SELECT string || ' ' || reason FROM dead_letter") == ["ad refused_by_ledger"]
    assert _column(ledger_url, "SELECT state FROM crawl_range ORDER BY id LIMIT 1") == ["done"]


async def test_a_dead_letter_that_is_refused_as_well_is_an_outage_and_no_loop(ledger: Ledger, ledger_url: str) -> None:
    writer = _writer(ledger, *await _taken(ledger))
    step = _step("aa", "\x00")
    step.requests[0] = msgspec.structs.replace(step.requests[0], page_offset=2**20)
    writer.add(step)
    for _ in range(2):
        with pytest.raises(LedgerUnavailableError, match="refuses the dead letter"):
            await writer.flush()
    assert writer.age_s > 0
    assert _column(ledger_url, "SELECT count(*)::int FROM dead_letter") == [0]


async def test_later_pages_of_a_string_given_up_are_dropped(ledger: Ledger, ledger_url: str) -> None:
    writer = _writer(ledger, *await _taken(ledger))
    first_page = _step("aa", "\x00")
    first_page.cursor, first_page.search, first_page.covered = Cursor("aa", offset=50, pages=1), None, 0
    writer.add(first_page)
    writer.add(_step("aa"))
    await writer.flush()
    writer.add(_step("aa", "too late"))
    writer.add(_step("ab"))
    await writer.flush()
    assert _column(ledger_url, "SELECT string FROM search") == ["ab"]
    assert _column(ledger_url, "SELECT string FROM dead_letter") == ["aa"]
    assert _column(ledger_url, "SELECT cursor->>'string' FROM crawl_range ORDER BY id LIMIT 1") == ["ac"]
