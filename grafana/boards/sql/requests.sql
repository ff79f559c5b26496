-- name: requests
-- The newest requests to the API, for the Crawl board's table of them.
--
-- ARGS    ${namespace}, ${crawljob}, the board's time range
-- RESULT  rows (time, query, page_offset, page_size, status: null where no answer came, outcome, duration_s, worker),
--         newest first, at most 200
-- TIME    the workers'; now() for the retention
SELECT q.at AS time, q.string AS query, q.page_offset, q.page_size, q.status, q.outcome, q.duration_s, q.worker
FROM crawl_job j
CROSS JOIN LATERAL (
    SELECT * FROM api_request
    WHERE job_id = j.id AND at > now() - make_interval(secs => j.retention_s) AND $__timeFilter(at)
    ORDER BY at DESC
    LIMIT 200
) q
WHERE j.namespace IN (${namespace:sqlstring}) AND j.name IN (${crawljob:sqlstring}) AND j.deleted_at IS NULL
ORDER BY q.at DESC
LIMIT 200
