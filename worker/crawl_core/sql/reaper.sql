-- name: pick
-- A deleted job whose rows are still here.
--
-- ARGS    none
-- RESULT  one row (id) or none
-- TIME    none
SELECT id FROM crawl_job WHERE deleted_at IS NOT NULL ORDER BY id LIMIT 1;

-- name: ranges
-- Some of its ranges. They go first: without its range no commit adds anything.
--
-- ARGS    job_id, max_rows
-- RESULT  none
-- TIME    none
DELETE FROM crawl_range WHERE id IN (SELECT id FROM crawl_range WHERE job_id = %(job_id)s LIMIT %(max_rows)s);

-- name: searches
-- Some of its searches.
--
-- ARGS    job_id, max_rows
-- RESULT  none
-- TIME    none
DELETE FROM search WHERE (job_id, string) IN (
    SELECT job_id, string FROM search WHERE job_id = %(job_id)s ORDER BY string LIMIT %(max_rows)s);

-- name: artists
-- Some of its links to artists. The artists stay.
--
-- ARGS    job_id, max_rows
-- RESULT  none
-- TIME    none
DELETE FROM job_artist WHERE (job_id, artist_id) IN (
    SELECT job_id, artist_id FROM job_artist WHERE job_id = %(job_id)s ORDER BY artist_id LIMIT %(max_rows)s);

-- name: dead_letters
-- Some of its dead letters.
--
-- ARGS    job_id, max_rows
-- RESULT  none
-- TIME    none
DELETE FROM dead_letter WHERE (job_id, string) IN (
    SELECT job_id, string FROM dead_letter WHERE job_id = %(job_id)s ORDER BY string LIMIT %(max_rows)s);

-- name: bins
-- Its request log, bin by bin; a bin that a commit holds stays for the next call.
--
-- ARGS    job_id
-- RESULT  one row (how many stayed)
-- TIME    none
SELECT count(*) FILTER (WHERE NOT dropped)
FROM (SELECT drop_request_bin(id) AS dropped FROM request_bin WHERE job_id = %(job_id)s) d;

-- name: job
-- The job's own row, last: until then the reaper finds it again.
--
-- ARGS    job_id
-- RESULT  none
-- TIME    none
DELETE FROM crawl_job WHERE id = %(job_id)s AND deleted_at IS NOT NULL;
