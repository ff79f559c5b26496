-- name: runs
-- Runs whose rows are to go and are still here. All of a deleted job's: one that began while the job was being deleted is
-- not marked (test_a_run_that_begins_while_its_job_is_deleted_goes_with_it).
--
-- ARGS    none
-- RESULT  rows (id), in order: those with tables of their own last, since somebody may hold them
-- TIME    none
SELECT n.id FROM crawl_run n JOIN crawl_job j ON j.id = n.job_id
WHERE NOT n.emptied AND (n.deleted_at IS NOT NULL OR j.deleted_at IS NOT NULL) ORDER BY n.id;

-- name: ranges
-- Some of its ranges. They go first: without its range no commit adds anything.
--
-- ARGS    run_id, max_rows
-- RESULT  none
-- TIME    none
DELETE FROM crawl_range WHERE id IN (SELECT id FROM crawl_range WHERE run_id = %(run_id)s LIMIT %(max_rows)s);

-- name: own_tables
-- Its partitions, where it has its own. False: somebody reads them now; ask again.
--
-- ARGS    run_id
-- RESULT  one row (whether it has none any more)
-- TIME    none
SELECT drop_run_tables(%(run_id)s);

-- name: searches
-- Some of its searches, of the partition that small runs share.
--
-- ARGS    run_id, max_rows
-- RESULT  none
-- TIME    none
DELETE FROM search_small WHERE (run_id, string) IN (
    SELECT run_id, string FROM search_small WHERE run_id = %(run_id)s ORDER BY string LIMIT %(max_rows)s);

-- name: artists
-- Some of its links to artists, as `searches`. The artists stay.
--
-- ARGS    run_id, max_rows
-- RESULT  none
-- TIME    none
DELETE FROM run_artist_small WHERE (run_id, artist_key) IN (
    SELECT run_id, artist_key FROM run_artist_small WHERE run_id = %(run_id)s ORDER BY artist_key LIMIT %(max_rows)s);

-- name: dead_letters
-- Some of its dead letters.
--
-- ARGS    run_id, max_rows
-- RESULT  none
-- TIME    none
DELETE FROM dead_letter WHERE (run_id, string) IN (
    SELECT run_id, string FROM dead_letter WHERE run_id = %(run_id)s ORDER BY string LIMIT %(max_rows)s);

-- name: emptied
-- Nothing of the run is left but its row, which says when it was and what it counted.
--
-- ARGS    run_id
-- RESULT  none
-- TIME    none
UPDATE crawl_run SET emptied = true WHERE id = %(run_id)s;

-- name: pick_job
-- A deleted job all of whose runs are empty.
--
-- ARGS    none
-- RESULT  one row (id) or none
-- TIME    none
SELECT id FROM crawl_job j
WHERE deleted_at IS NOT NULL AND NOT EXISTS (SELECT FROM crawl_run WHERE job_id = j.id AND NOT emptied)
ORDER BY id LIMIT 1;

-- name: requests
-- Some of a job's request log.
--
-- ARGS    job_id, max_rows
-- RESULT  none
-- TIME    none
DELETE FROM api_request WHERE ctid = ANY (
    ARRAY(SELECT ctid FROM api_request WHERE job_id = %(job_id)s ORDER BY at LIMIT %(max_rows)s));

-- name: job
-- The job's own row and those of its runs, last: until then the reaper finds it again.
--
-- ARGS    job_id
-- RESULT  none
-- TIME    none
WITH runs AS (
    DELETE FROM crawl_run WHERE job_id = %(job_id)s
)
DELETE FROM crawl_job WHERE id = %(job_id)s AND deleted_at IS NOT NULL;
