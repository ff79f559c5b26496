-- name: trim
-- Delete what is older than its job's retention, or beyond its newest rows, of some jobs.
--
-- ARGS    kept_rows: of a job; max_jobs; max_rows: that a job loses in one call
-- RESULT  none
-- TIME    now(); the rows' times are the workers'
--
-- Each job costs a look at as many entries of the index as it may have rows. So a call takes some jobs, drawn by lot: a
-- thousand jobs cost it no more than `max_jobs`, and each one's turn comes.
-- The bounds are found before anything is compared with them: in the comparison they would be found again for each row.
-- The rows to go are found job by job, by the index: joined, they would be met in a scan of all jobs' logs.
-- Two calls at once would wait for each other's rows, in any order: the second does nothing.
WITH bounds AS MATERIALIZED (
    SELECT j.id AS job_id, greatest(
        now() - make_interval(secs => j.retention_s),
        (SELECT at FROM api_request WHERE job_id = j.id ORDER BY at DESC OFFSET %(kept_rows)s LIMIT 1)
    ) AS oldest
    FROM (
        SELECT id, retention_s FROM crawl_job
        WHERE deleted_at IS NULL AND (SELECT pg_try_advisory_xact_lock(hashtext('artistcrawl.requests.trim')))
        ORDER BY random() LIMIT %(max_jobs)s
    ) j
)
DELETE FROM api_request WHERE ctid = ANY (ARRAY(
    SELECT q.ctid FROM bounds b CROSS JOIN LATERAL (
        SELECT ctid FROM api_request WHERE job_id = b.job_id AND at <= b.oldest ORDER BY at LIMIT %(max_rows)s
    ) q
));
