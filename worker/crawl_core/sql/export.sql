-- name: sources
-- The datasets there are, and which of them have artists.
--
-- ARGS    none
-- RESULT  rows (source, type, market: or null, has_artists)
-- TIME    none
SELECT s.dataset AS source, s.type, nullif(s.market, '') AS market,
       EXISTS (SELECT FROM artist WHERE source_id = s.id) AS has_artists
FROM source s ORDER BY 1, 2, 3 NULLS FIRST;

-- name: artists
-- Artists for a file, in the order of their sources and ids.
--
-- ARGS    run_id: those returned to one run; null: all. source: those of one dataset, as NAME or TYPE:NAME; null: all
-- RESULT  rows, columns as in the file
-- TIME    none
SELECT s.dataset AS source, s.type AS source_type, nullif(s.market, '') AS market, a.id, a.name, a.popularity, a.followers,
       a.genres, a.images, a.first_query, a.first_seen, a.last_seen
FROM artist a JOIN source s ON s.id = a.source_id
WHERE (%(run_id)s::integer IS NULL OR a.key IN (SELECT artist_key FROM run_artist WHERE run_id = %(run_id)s::integer))
  AND (%(source)s::text IS NULL OR %(source)s::text IN (s.dataset, s.type || ':' || s.dataset))
ORDER BY a.source_id, a.id;

-- name: searches
-- Finished searches for a file, in string order.
--
-- ARGS    run_id, or null for the current runs of all living jobs; source: of one dataset, as NAME or TYPE:NAME; null: all
-- RESULT  rows, columns as in the file
-- TIME    none
SELECT namespace, name AS job, run, string, pages, total, results, truncated, new_artists, finished_at
FROM searches
WHERE (%(run_id)s::integer IS NULL AND current OR run_id = %(run_id)s::integer)
  AND (%(source)s::text IS NULL OR %(source)s::text IN (source, source_type || ':' || source))
ORDER BY run_id, string;

-- name: requests
-- The recent requests for a file, in the order they were sent.
--
-- ARGS    job_id, or null for all living jobs; source: of one dataset, as NAME or TYPE:NAME; null: all
-- RESULT  rows, columns as in the file
-- TIME    now(): none older than the job's retention
SELECT namespace, name AS job, at, string, page_offset, page_size, status, outcome, duration_s, worker
FROM requests
WHERE (%(job_id)s::bigint IS NULL OR job_id = %(job_id)s)
  AND (%(source)s::text IS NULL OR job_id IN (
      SELECT j.id FROM crawl_job j JOIN source s ON s.id = j.source_id
      WHERE %(source)s::text IN (s.dataset, s.type || ':' || s.dataset)
  ))
ORDER BY at;
