-- name: artists
-- Artists for a file, in id order.
--
-- ARGS    job_id: those returned to one job; null: all
-- RESULT  rows, columns as in the file
-- TIME    none
SELECT a.id, a.name, a.popularity, a.followers, a.genres, a.images, a.first_query, a.first_seen, a.last_seen
FROM artist a
WHERE %(job_id)s::bigint IS NULL OR a.id IN (SELECT artist_id FROM job_artist WHERE job_id = %(job_id)s)
ORDER BY a.id;

-- name: searches
-- Finished searches for a file, in string order.
--
-- ARGS    job_id, or null for all living jobs
-- RESULT  rows, columns as in the file
-- TIME    none
SELECT namespace, name AS job, string, pages, total, results, truncated, new_artists, finished_at
FROM searches WHERE %(job_id)s::bigint IS NULL OR job_id = %(job_id)s
ORDER BY job_id, string;

-- name: requests
-- The recent requests for a file, in the order they were sent.
--
-- ARGS    job_id, or null for all living jobs
-- RESULT  rows, columns as in the file
-- TIME    now(): none older than the job's retention
SELECT namespace, name AS job, at, string, page_offset, page_size, status, outcome, duration_s, worker
FROM requests WHERE %(job_id)s::bigint IS NULL OR job_id = %(job_id)s
ORDER BY at;
