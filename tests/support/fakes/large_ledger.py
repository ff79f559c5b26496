"""A ledger with runs of many millions of searches, written by SQL: about a minute for ten million and their artists.

What commits would leave, but for the order within the tables: strings ascend, as one range after another. Of a hundred
strings four are found and one in 10,000 is truncated; a search ends every 50 ms. A run's links go on beyond the artists
that there are, so that they may be more.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import md5

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from support.fakes.ledgers import NOW_US, crawljob, record

from crawl_core.ledger.ledger import Ledger
from crawl_core.ledger.requests import KEPT_ROWS
from crawl_core.values.jobs import JobRow
from crawl_core.values.rows import ArtistRow

LENGTH = 5
"""Characters of a string: 60,466,176 of them."""

OPEN_STRINGS = 36**3
"""Strings at a run's end that are left to be searched."""

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Crawl:
    """One job with a run that is nearly done."""

    name: str
    searches: int
    links: int


def _digits(number: str) -> str:
    return " || ".join(
        f"substr('{_ALPHABET}', ({number} / {36**place}) %% 36 + 1, 1)" for place in range(LENGTH - 1, -1, -1)
    )


_WHEN = "now() - (%(searches)s - {}) * interval '50 milliseconds'"

_SEARCHES = f"""
INSERT INTO {{search}} (run_id, finished_at, total, results, new_artists, pages, truncated, string)
SELECT %(run)s, {_WHEN.format("n")}, t.total, least(t.total, 1000), (t.total > 0)::integer, 1, t.total >= 1000,
       {_digits("n")}
FROM generate_series(0, %(searches)s - 1) n,
     LATERAL (SELECT CASE WHEN n %% 10000 = 25 THEN 2000 WHEN n %% 25 = 0 THEN n %% 90 + 1 ELSE 0 END AS total) t
"""

_LINKS = "INSERT INTO {run_artist} (run_id, artist_key) SELECT %(run)s, n FROM generate_series(1, %(links)s) n"

_RANGES = f"""
UPDATE crawl_range r SET
    state = 'done', cursor = NULL, owner = gen_random_uuid(), fence = 1, searches = strings, covered = strings,
    requests = strings, artists = strings / 10, artists_new = strings / 25, truncated = strings / 10000,
    by_results = ARRAY[strings / 250, strings / 125, strings / 50, strings / 250, strings / 250, 0, strings / 10000],
    changed_at = {_WHEN.format("(place * strings)")}
FROM (SELECT id, row_number() OVER (ORDER BY first) AS place, 1 + keyspace_position('{_ALPHABET}', last)::integer
             - keyspace_position('{_ALPHABET}', first)::integer AS strings
      FROM crawl_range WHERE run_id = %(run)s) d
WHERE r.id = d.id AND place * strings <= %(searches)s
"""

_ARTISTS = """
INSERT INTO artist (key, source_id, first_run, id, name, first_query, first_seen, last_seen, followers, popularity)
SELECT n, %(source)s, %(run)s, md5(n::text)::text, 'Artist ' || n, 'abcde', now(), now(), n, 50
FROM generate_series(%(first)s::integer, %(last)s::integer) n
"""


_REQUESTS = """
INSERT INTO api_request (at, job_id, duration_s, page_offset, page_size, status, string, outcome, worker)
SELECT now() - n * interval '2 milliseconds', %(job)s, 0.1, 0, 50, 200, 'abcde', 'ok', 'artists-7d9f8b6c5-' || n %% 8
FROM generate_series(1, %(rows)s) n
"""


def known_artist(key: int) -> ArtistRow:
    """The artist with this key, returned again and unchanged."""
    artist_id = md5(str(key).encode(), usedforsecurity=False).hexdigest()
    return ArtistRow(artist_id, f"Artist {key}", 50, key, None, None, "abcde", NOW_US)


def string_of(number: int) -> str:
    """The n-th string of the keyspace."""
    return "".join(_ALPHABET[number // 36**place % 36] for place in range(LENGTH - 1, -1, -1))


async def crawl(ledger: Ledger, connection: AsyncConnection[TupleRow], wanted: Crawl) -> JobRow:
    """Record a job and fill its run."""
    last = wanted.searches + OPEN_STRINGS - 1
    keyspace = {"minLength": LENGTH, "maxLength": LENGTH, "first": string_of(0), "last": string_of(last)}
    row = await record(ledger, crawljob(wanted.name, keyspace=keyspace))
    part = row.run_id if row.run_id >= 1_000_000_000 else "small"
    names = {"search": f"search_{part}", "run_artist": f"run_artist_{part}"}
    counts = {"run": row.run_id, "searches": wanted.searches, "links": wanted.links}
    for filling in (_SEARCHES, _LINKS, _RANGES):
        await connection.execute(filling.format(**names).encode(), counts)
    return row


async def fill_artists(connection: AsyncConnection[TupleRow], row: JobRow, count: int) -> None:
    """So many artists of a job's source; the next new one's key is beyond all links."""
    await connection.execute(_ARTISTS.encode(), {"source": row.source_id, "run": row.run_id, "first": 1, "last": count})
    last_link = "SELECT greatest(max(key), (SELECT max(artist_key) FROM run_artist)) FROM artist"
    await connection.execute(f"SELECT setval('artist_key', ({last_link}))".encode())


async def fill_requests(connection: AsyncConnection[TupleRow], row: JobRow) -> None:
    """A full request log of a job: the last 200 seconds."""
    await connection.execute(_REQUESTS.encode(), {"job": row.id, "rows": KEPT_ROWS})
    await connection.execute(b"VACUUM ANALYZE api_request")
