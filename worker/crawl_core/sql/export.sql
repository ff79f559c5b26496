-- name: artists
-- Artists for a file, in the order of their sources and ids.
--
-- ARGS    run_id: those returned to one run; null: all. source_id: those of one source; null: all
-- RESULT  rows, columns as in the file
-- TIME    none
SELECT s.dataset AS source, a.id, a.name, a.popularity, a.followers, a.genres, a.images, a.first_query, a.first_seen,
       a.last_seen
FROM artist a JOIN source s ON s.id = a.source_id
WHERE (%(run_id)s::integer IS NULL OR a.key IN (SELECT artist_key FROM run_artist WHERE run_id = %(run_id)s::integer))
  AND (%(source_id)s::smallint IS NULL OR a.source_id = %(source_id)s::smallint)
ORDER BY a.source_id, a.id;

-- name: searches
-- Finished searches for a file, in string order.
--
-- ARGS    run_id, or null for all runs of living jobs
-- RESULT  rows, columns as in the file
-- TIME    none
SELECT namespace, name AS job, run, string, pages, total, results, truncated, new_artists, finished_at
FROM searches WHERE %(run_id)s::integer IS NULL OR run_id = %(run_id)s::integer
ORDER BY run_id, string;

-- name: requests
-- The recent requests for a file, in the order they were sent.
--
-- ARGS    job_id, or null for all living jobs
-- RESULT  rows, columns as in the file
-- TIME    now(): none older than the job's retention
SELECT namespace, name AS job, at, string, page_offset, page_size, status, outcome, duration_s, worker
FROM requests WHERE %(job_id)s::bigint IS NULL OR job_id = %(job_id)s
ORDER BY at;
