-- name: yield
-- What the crawl brings in over time: strings with results, and artists new to the ledger, an hour. Empty searches are
-- not counted: there are millions of them, and how fast they go Prometheus knows.
--
-- ARGS    ${namespace}, ${crawljob}, the board's time range, $__interval_ms: the width of a point
-- RESULT  rows (time, found_per_hour, new_artists_per_hour), in order of time, none for an hour that brought nothing
-- TIME    the workers'
SELECT y.time, sum(y.found)::float8 * 3600000 / $__interval_ms AS found_per_hour,
       sum(y.new_artists)::float8 * 3600000 / $__interval_ms AS new_artists_per_hour
FROM crawl_job j
CROSS JOIN LATERAL (
    SELECT * FROM yield_over_time(j.run_id, $__timeFrom(), $__timeTo(), make_interval(secs => $__interval_ms / 1000.0))
) y
WHERE j.namespace IN (${namespace:sqlstring}) AND j.name IN (${crawljob:sqlstring}) AND j.deleted_at IS NULL
GROUP BY y.time
ORDER BY y.time
