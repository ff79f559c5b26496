-- name: workers
-- What each worker did last, and how its requests went, for the Workers board.
--
-- ARGS    ${namespace}, ${crawljob}, the board's time range
-- RESULT  rows (worker, time, query, outcome, status: of its last request, requests, ok, rate_limited: answered 429,
--         failed: all others, duration_s: on average), in order of the workers' names
-- TIME    the workers'; now() for the retention
SELECT w.worker, w.at AS time, q.string AS query, q.outcome, q.status, w.requests, w.ok, w.rate_limited,
       w.requests - w.ok - w.rate_limited AS failed, w.duration_s
FROM crawl_job j
CROSS JOIN LATERAL (
    SELECT worker, max(at) AS at, count(*) AS requests, count(*) FILTER (WHERE outcome = 'ok') AS ok,
           count(*) FILTER (WHERE outcome = 'rate_limited') AS rate_limited, avg(duration_s) AS duration_s
    FROM api_request
    WHERE job_id = j.id AND at > now() - make_interval(secs => j.retention_s) AND $__timeFilter(at)
    GROUP BY worker
) w
CROSS JOIN LATERAL (
    SELECT string, status, outcome FROM api_request
    WHERE job_id = j.id AND at = w.at AND worker = w.worker
    ORDER BY string
    LIMIT 1
) q
WHERE j.namespace IN (${namespace:sqlstring}) AND j.name IN (${crawljob:sqlstring}) AND j.deleted_at IS NULL
ORDER BY w.worker
