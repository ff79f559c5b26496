-- name: workers
-- What each worker did last, and how its requests went, for the Workers board.
--
-- ARGS    ${namespace}, ${crawljob}, the board's time range
-- RESULT  rows (worker, time, query, outcome, status: of its last request, requests, ok, rate_limited: answered 429,
--         failed: all others, duration_s: on average), in order of the workers' names
-- TIME    the workers'; now() for the retention
SELECT w.worker, w.at AS time, w.string AS query, w.outcome, w.status, w.requests, w.ok, w.rate_limited,
       w.requests - w.ok - w.rate_limited AS failed, w.duration_s
FROM crawl_job j, requests_by_worker(j.id, $__timeFrom(), $__timeTo()) w
WHERE j.namespace IN (${namespace:sqlstring}) AND j.name IN (${crawljob:sqlstring}) AND j.deleted_at IS NULL
ORDER BY w.worker
