"""A ledger as a crawl of any length leaves it, written by SQL within seconds.

36 ranges are in work at a time, a search ends every three seconds and the last one now; one string in 25 is found, one
in 500 truncated. The request log is full: 100,000. It refuses to fill what no board reads.
"""

from __future__ import annotations

from psycopg import AsyncConnection
from support.fakes.ledgers import crawljob, open_ledger, record

STRINGS = 36**4
"""All that the default keyspace has."""

REQUESTS = 100_000
DEAD_LETTERS = 500


def _digit(number: str) -> str:
    return f"substr('0123456789abcdefghijklmnopqrstuvwxyz', ({number}) % 36 + 1, 1)"


_WHEN = "now() - (%(searches)s - 1 - {}) * interval '3 seconds'"

# The n-th search has the string of the digits n / 46656 and n % 36, which name its range, and of n / 1296 and n / 36.
_SEARCHES = f"""
INSERT INTO search (run_id, finished_at, total, results, new_artists, pages, truncated, string)
SELECT %(run)s, {_WHEN.format("n")}, t.total, least(t.total, 1000), least(t.total, 1000) / 10,
       greatest(least(t.total, 1000) + 49, 50) / 50, t.total >= 1000,
       {_digit("n / 46656")} || {_digit("n")} || {_digit("n / 1296")} || {_digit("n / 36")}
FROM generate_series(0, %(searches)s - 1) n,
     LATERAL (SELECT 25 * (n::bigint * 2654435761 % 4294967296 / 4294967296.0::float8) - 24 AS drawn) d,
     LATERAL (SELECT CASE WHEN drawn > 0 THEN exp(8 * drawn ^ 3)::integer ELSE 0 END AS total) t
"""

_RANGES = f"""
UPDATE crawl_range r SET
    searches = done, covered = done, artists_new = done / 4, owner = gen_random_uuid(),
    changed_at = {_WHEN.format("(n + (done - 1) * 36)")},
    state = CASE done WHEN 1296 THEN 'done' ELSE 'open' END,
    cursor = CASE WHEN done < 1296
                  THEN jsonb_build_object('string', left(first, 2) || {_digit("done / 36")} || {_digit("done")}) END
FROM (SELECT id, n, least((%(searches)s - n + 35) / 36, 1296) AS done
      FROM (SELECT id, (place / 36 * 46656 + place % 36)::integer AS n
            FROM (SELECT id, row_number() OVER (ORDER BY first) - 1 AS place
                  FROM crawl_range WHERE run_id = %(run)s) placed) begun
      WHERE n < %(searches)s) d
WHERE r.id = d.id
"""

_COUNTED = """
UPDATE crawl_range r SET truncated = s.strings[7], by_results = s.strings
FROM (
    SELECT array_agg(coalesce(counted.strings, 0) ORDER BY place)::integer[] AS strings
    FROM generate_series(1, 7) place
    LEFT JOIN (
        SELECT results_bucket(total) AS place, count(*) AS strings FROM search WHERE run_id = %(run)s GROUP BY 1
    ) counted USING (place)
) s
WHERE r.id = (SELECT min(id) FROM crawl_range WHERE run_id = %(run)s)
"""

_REQUESTS = """
INSERT INTO api_request (at, job_id, duration_s, page_offset, page_size, status, string, outcome, worker)
SELECT now() - (%(requests)s - 1 - n) * interval '3 seconds', %(job)s, 0.1, 0, 50, status, 'abcd', outcome,
       'artists-7d9f8b6c5-' || n % 8
FROM generate_series(0, %(requests)s - 1) n,
     LATERAL (SELECT CASE WHEN n % 1000 = 1 THEN 429 WHEN n % 500 = 2 THEN 503 ELSE 200 END AS status) s,
     LATERAL (SELECT CASE status WHEN 429 THEN 'rate_limited' WHEN 503 THEN 'http_503' ELSE 'ok' END AS outcome) o
"""

_DEAD_LETTERS = """
INSERT INTO dead_letter (run_id, at, attempts, string, reason, last_error)
SELECT %(run)s, now() - n * interval '1 hour', 8, 'z' || n, 'http_503', 'the API answered 503'
FROM generate_series(1, %(dead_letters)s) n
"""


async def crawl(url: str, *, searches: int = STRINGS) -> int:
    """Record the job default/artists in a migrated ledger, and all that so many searches leave there; its id."""
    async with open_ledger(url) as ledger:
        row = await record(ledger, crawljob(keyspace={"minLength": 4, "maxLength": 4}, requestLogRetention="720h"))
    counts = {
        "job": row.id,
        "run": row.run_id,
        "searches": searches,
        "requests": REQUESTS,
        "dead_letters": DEAD_LETTERS,
    }
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        for filling in (_SEARCHES, _RANGES, _COUNTED, _REQUESTS, _DEAD_LETTERS):
            await connection.execute(filling.replace(" % ", " %% ").encode(), counts)
        # As autovacuum does in time: the indexes know what everybody sees, the planner what there is.
        await connection.execute("VACUUM ANALYZE search, crawl_range, dead_letter, api_request, crawl_job")
    return row.id
