-- name: current
-- A job's current run.
--
-- ARGS    job_id
-- RESULT  one row (its id) or none
-- TIME    none
SELECT run_id FROM crawl_job WHERE id = %(job_id)s;

-- fragment: run_row
-- The fields of RunRow, of the view `runs`.
run_id AS id, run AS number, started_at, finished_at, strings AS total, covered, searches, requests, artists,
artists_new, added, gone, dead_letters, incomplete, data_deleted_at

-- name: all
-- A job's runs, the latest first.
--
-- ARGS    job_id, max_rows
-- RESULT  rows, the fields of RunRow
-- TIME    none
SELECT
-- include: run_row
FROM runs WHERE job_id = %(job_id)s ORDER BY run DESC LIMIT %(max_rows)s;

-- name: ended
-- A job's runs that have ended, the latest first. Reads no range: for each look at a job.
--
-- ARGS    job_id, max_rows
-- RESULT  rows, the fields of RunRow
-- TIME    none
SELECT
-- include: run_row
FROM runs WHERE job_id = %(job_id)s AND finished_at IS NOT NULL ORDER BY run DESC LIMIT %(max_rows)s;

-- name: to_compare
-- A run that has ended and was not compared with the one before it, both of whose rows are all here.
--
-- ARGS    job_id (null: of any job)
-- RESULT  one row (run_id, before_id), or none
-- TIME    none
SELECT n.id AS run_id, b.id AS before_id
FROM crawl_run n JOIN crawl_run b ON b.job_id = n.job_id
 AND b.number = (SELECT max(number) FROM crawl_run WHERE job_id = n.job_id AND number < n.number)
WHERE (%(job_id)s::bigint IS NULL OR n.job_id = %(job_id)s)
  AND n.finished_at IS NOT NULL AND b.finished_at IS NOT NULL AND n.added IS NULL
  AND n.deleted_at IS NULL AND b.deleted_at IS NULL
ORDER BY n.id LIMIT 1;

-- name: compare
-- How the artists of two runs differ: `added` that only the run has, `gone` that only the one before has.
--
-- ARGS    run_id, before_id
-- RESULT  none
-- TIME    none
--
-- Both are read in the order of their keys and merged: no more memory for ten million artists than for ten.
-- That takes seconds, in which the run may be reopened and end again, or the rows of either be deleted: then nothing is
-- written (test_a_run_whose_rows_go_is_not_compared_any_more).
UPDATE crawl_run n SET compared_with = %(before_id)s, added = c.added, gone = c.gone
FROM crawl_run as_read, crawl_run before, (
    SELECT count(*) FILTER (WHERE b.artist_key IS NULL) AS added, count(*) FILTER (WHERE a.artist_key IS NULL) AS gone
    FROM (SELECT artist_key FROM run_artist WHERE run_id = %(run_id)s) a
    FULL JOIN (SELECT artist_key FROM run_artist WHERE run_id = %(before_id)s) b USING (artist_key)
) c
WHERE n.id = %(run_id)s AND as_read.id = n.id AND before.id = %(before_id)s AND n.finished_at IS NOT NULL
  AND n.added IS NULL AND n.replays = as_read.replays AND n.deleted_at IS NULL AND before.deleted_at IS NULL;

-- name: delete
-- Have a run's rows deleted: not of the current one, and not twice. Its own row stays, and says when it was.
--
-- ARGS    job_id, number
-- RESULT  one row (run_id), or none
-- TIME    now()
UPDATE crawl_run n SET deleted_at = now()
FROM crawl_job j
WHERE j.id = n.job_id AND n.job_id = %(job_id)s AND n.number = %(number)s AND n.id <> j.run_id AND n.deleted_at IS NULL
RETURNING n.id AS run_id;
