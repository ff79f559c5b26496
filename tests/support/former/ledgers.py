"""Ledgers as they were before artists had sources and jobs had runs, to be migrated.

`fill` writes one of each kind of job into a ledger of the schema versions 1 to 6. `write_back` writes a ledger of now
as the version before would have left it.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from crawl_core.backends.migrate import Migration, migrations

BEFORE_SOURCES = 6
"""The last version without sources and runs."""

BINS = 2
"""From this version to the one before runs, requests are logged in bins."""


def steps_until(version: int) -> Sequence[Migration]:
    """The migrations up to a version."""
    return [step for step in migrations() if step.version <= version]


_SANDBOX = '{"type": "Sandbox", "queryTemplate": "{}", "pageSize": 50, "requestTimeout": "10s", "termsAccepted": false}'
_SPOTIFY = _SANDBOX.replace("Sandbox", "Spotify").replace("false", "true")
_GERMAN = _SPOTIFY.replace("{", '{"market": "DE", ', 1)
_MIRROR = _SPOTIFY.replace("{", '{"baseURL": "http://mirror.example:8080/v1", ', 1)

JOBS = (
    # id, name, source, strings, replays, whether it is finished and deleted
    (1, "half", _SANDBOX, 72, 0, False, False),
    (2, "done", _SPOTIFY, 72, 0, True, False),
    (3, "replaying", _SANDBOX, 36, 1, False, False),
    (4, "gone", _SANDBOX, 36**5, 0, False, True),
    (5, "mirror", _MIRROR, 36, 0, False, False),
    (6, "large", _GERMAN, 36**5, 0, False, False),
    (7, "also-half", _SANDBOX, 36, 0, False, False),
    (8, "untouched", _SPOTIFY, 36, 0, False, False),
)

_JOB = """
INSERT INTO crawl_job (id, namespace, name, uid, spec, identity, total, bucket, bucket_scope, limit_requests,
                       limit_window_s, limit_timeout_s, limit_even, page_size, retention_s, replays, started_at,
                       finished_at, deleted_at)
OVERRIDING SYSTEM VALUE
SELECT id, 'crawls', name, 'uid-' || name, '{}', jsonb_build_object('source', source::jsonb, 'keyspace',
       '{"alphabet": "0123456789abcdefghijklmnopqrstuvwxyz", "minLength": 4, "maxLength": 4, "first": "aa00",
         "last": "aa1z", "rangeSize": 36}'::jsonb),
       strings, 'credential:x', 'Credential', 10, 30, 10, true, 20, 86400, replays, '2026-01-01',
       CASE WHEN finished THEN '2026-02-01'::timestamptz END, CASE WHEN deleted THEN '2026-02-01'::timestamptz END
FROM (VALUES (%s::bigint, %s, %s, %s::bigint, %s::bigint, %s::boolean, %s::boolean))
    AS job(id, name, source, strings, replays, finished, deleted)
"""

# Of half: one range is done, one owned and in the middle of a string, one a child; of gone the ranges are deleted.
_ROWS = """
INSERT INTO crawl_range (id, job_id, fence, covered, owner, changed_at, searches, requests, artists, artists_new,
                         truncated, retries, rate_limited, string_new, length, counts_coverage, state, first, last,
                         cursor)
OVERRIDING SYSTEM VALUE VALUES
(1, 1, 3, 36, '00000000-0000-0000-0000-000000000001', '2026-01-02', 6, 40, 3, 2, 1, 4, 1, 0, 4, true, 'done', 'aa00',
 'aa0z', NULL),
(2, 1, 7, 1, '00000000-0000-0000-0000-000000000002', '2026-01-02', 1, 9, 2, 1, 0, 1, 0, 5, 4, true, 'open', 'aa10',
 'aa1z', '{"string": "aa11", "offset": 100, "total": 730, "first_at_us": 1767312000000000, "pages": 2, "results": 100,
           "batch": 4}'),
(3, 1, 0, 0, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 5, true, 'open', 'aa0a0', 'aa0az', '{"string": "aa0a0"}'),
(4, 2, 2, 72, NULL, '2026-01-31', 2, 60, 3, 3, 0, 0, 0, 0, 4, true, 'done', 'aa00', 'aa1z', NULL),
(5, 3, 1, 36, NULL, '2026-01-31', 2, 36, 0, 0, 0, 0, 0, 0, 4, true, 'done', 'aa00', 'aa0z', NULL),
(6, 3, 4, 0, '00000000-0000-0000-0000-000000000003', NULL, 0, 2, 0, 0, 0, 2, 0, 0, 4, false, 'open', 'aa03', 'aa03',
 '{"string": "aa03", "batch": 2}'),
(7, 5, 0, 0, NULL, NULL, 1, 1, 2, 1, 0, 0, 0, 0, 4, true, 'open', 'aa00', 'aa0z', '{"string": "aa01", "batch": 1}'),
(8, 6, 0, 0, NULL, NULL, 1, 1, 0, 0, 0, 0, 0, 0, 4, true, 'open', '0000', 'zzzz', '{"string": "0001", "batch": 1}'),
(9, 7, 0, 0, NULL, NULL, 0, 1, 1, 0, 0, 0, 0, 0, 4, true, 'open', 'aa00', 'aa0z', '{"string": "aa00"}'),
(10, 8, 0, 0, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 4, true, 'open', 'aa00', 'aa0z', '{"string": "aa00"}');
INSERT INTO search (job_id, finished_at, total, results, new_artists, pages, truncated, string) VALUES
(1, '2026-01-02', 0, 0, 0, 1, false, 'aa00'), (1, '2026-01-02', 1, 1, 1, 1, false, 'aa01'),
(1, '2026-01-02', 5, 3, 1, 1, false, 'aa02'), (1, '2026-01-02', 1500, 1000, 0, 20, true, 'aa0a'),
(1, '2026-01-02', 999, 999, 0, 20, false, 'aa0b'), (1, '2026-01-02', 50, 50, 0, 1, false, 'aa0c'),
(1, '2026-01-02', 201, 200, 0, 5, false, 'aa10'),
(2, '2026-01-31', 2, 2, 2, 1, false, 'aa00'), (2, '2026-01-31', 30, 29, 1, 1, false, 'aa01'),
(3, '2026-01-31', 4, 2, 0, 1, false, 'aa02'), (3, '2026-01-31', 0, 0, 0, 1, false, 'aa04'),
(4, '2026-01-31', 7, 7, 7, 1, false, 'aa00'),
(5, '2026-01-31', 2, 2, 1, 1, false, 'aa00'), (6, '2026-01-31', 6, 6, 0, 1, false, '0000');
INSERT INTO dead_letter (job_id, at, replay_range, attempts, string, reason, last_error) VALUES
(2, '2026-01-31', NULL, 8, 'aa05', 'http_503', 'the API answered 503'),
(3, '2026-01-31', 6, 8, 'aa03', 'timeout', 'no answer'),
(3, '2026-01-31', NULL, 8, 'aa09', 'http_400', 'the API answered 400'),
(4, '2026-01-31', NULL, 8, 'aa05', 'http_503', 'the API answered 503');
INSERT INTO artist (first_seen, last_seen, followers, popularity, id, name, first_query, genres, images)
SELECT seen::timestamptz, '2026-01-31', 1000, 50, id, 'Name of ' || id, 'aa01', ARRAY['pop'], '[{"url": "u"}]'
FROM (VALUES ('of-half', '2026-01-02'), ('of-half-but-older', '2025-12-31'), ('of-half-and-also-half', '2026-01-02'),
             ('of-half-and-done', '2026-01-02'), ('of-done', '2026-01-02'), ('of-done-and-mirror', '2026-01-02'),
             ('of-mirror', '2026-01-02'), ('of-gone', '2026-01-02'), ('of-nobody', '2026-01-02')) AS a(id, seen);
INSERT INTO job_artist (job_id, artist_id) VALUES
(1, 'of-half'), (1, 'of-half-but-older'), (1, 'of-half-and-also-half'), (7, 'of-half-and-also-half'),
(1, 'of-half-and-done'), (2, 'of-half-and-done'), (2, 'of-done'), (2, 'of-done-and-mirror'), (5, 'of-done-and-mirror'),
(5, 'of-mirror'), (4, 'of-gone');
INSERT INTO bucket (name, limit_requests, limit_window_s, limit_timeout_s, limit_even, epoch, frozen_until)
VALUES ('credential:x', 10, 30, 10, true, 3, '2026-02-01');
SELECT setval(pg_get_serial_sequence('crawl_job', 'id'), 100), setval(pg_get_serial_sequence('crawl_range', 'id'), 100)
"""

_LOG = """
UPDATE crawl_job SET request_bin = open_request_bin(id);
INSERT INTO api_request (at, bin, duration_s, page_offset, page_size, status, string, outcome, worker)
SELECT now(), request_bin, 0.1, 0, 50, 200, 'aa00', 'ok', 'worker' FROM crawl_job WHERE name = 'half'
"""


async def fill(url: str, *, version: int) -> None:
    """Into an empty ledger of this version, `JOBS` and what they brought in."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        for job in JOBS:
            await connection.execute(_JOB, job)
        await connection.execute(_ROWS.encode())
        if version >= BINS:
            await connection.execute(_LOG)


# {table (columns): what they were, read from a ledger of now}
_AS_BEFORE = {
    """crawl_job (id, namespace, name, uid, spec, identity, total, bucket, bucket_scope, limit_requests, limit_window_s,
                  limit_timeout_s, limit_even, page_size, retention_s, replays, started_at, finished_at)""": """
        SELECT j.id, namespace, name, uid, spec,
               jsonb_set(identity, '{source}', identity -> 'source' || '{"pageSize": 50, "requestTimeout": "10s"}'),
               n.total, bucket, bucket_scope, limit_requests, limit_window_s, limit_timeout_s, limit_even, page_size,
               retention_s, n.replays, n.started_at, n.finished_at
        FROM crawl_job j JOIN crawl_run n ON n.id = j.run_id""",
    """crawl_range (id, job_id, fence, covered, owner, changed_at, searches, requests, artists, artists_new, truncated,
                    retries, rate_limited, string_new, length, counts_coverage, state, first, last, cursor)""": """
        SELECT r.id, n.job_id, fence, r.covered, owner, changed_at, r.searches, r.requests, r.artists, r.artists_new,
               r.truncated, r.retries, r.rate_limited, string_new, length, counts_coverage, state, first, last, cursor
        FROM crawl_range r JOIN crawl_run n ON n.id = r.run_id""",
    "search (job_id, finished_at, total, results, new_artists, pages, truncated, string)": """
        SELECT n.job_id, s.finished_at, s.total, results, new_artists, pages, s.truncated, string
        FROM search s JOIN crawl_run n ON n.id = s.run_id""",
    "artist (first_seen, last_seen, followers, popularity, id, name, first_query, genres, images)": """
        SELECT first_seen, last_seen, followers, popularity, id, name, first_query, genres, images FROM artist""",
    "job_artist (job_id, artist_id)": """
        SELECT n.job_id, a.id
        FROM run_artist l JOIN crawl_run n ON n.id = l.run_id JOIN artist a ON a.key = l.artist_key""",
    "dead_letter (job_id, at, replay_range, attempts, string, reason, last_error)": """
        SELECT n.job_id, at, replay_range, attempts, string, reason, last_error
        FROM dead_letter d JOIN crawl_run n ON n.id = d.run_id""",
    "bucket (name, limit_requests, limit_window_s, limit_timeout_s, limit_even, frozen_until, epoch)": """
        SELECT name, limit_requests, limit_window_s, limit_timeout_s, limit_even, frozen_until, epoch FROM bucket""",
}


async def write_back(url: str, *, to: str) -> None:
    """Write the ledger at `url`, whose jobs have one run each, into the empty one of version 6 at `to`."""
    connect = psycopg.AsyncConnection.connect
    async with await connect(url) as source, await connect(to) as target:
        for table, rows in _AS_BEFORE.items():
            async with (
                source.cursor().copy(f"COPY ({rows}) TO STDOUT".encode()) as reading,
                target.cursor().copy(f"COPY {table} FROM STDIN".encode()) as writing,
            ):
                async for block in reading:
                    await writing.write(block)
        await target.execute(
            "SELECT setval(pg_get_serial_sequence('crawl_job', 'id'), (SELECT max(id) FROM crawl_job)),"
            " setval(pg_get_serial_sequence('crawl_range', 'id'), (SELECT max(id) FROM crawl_range))"
        )
        await target.execute("UPDATE crawl_job SET request_bin = open_request_bin(id)")
