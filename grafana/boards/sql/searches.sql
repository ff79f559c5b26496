-- name: searches
-- The newest completed searches, for the Crawl board's table of them.
--
-- ARGS    ${namespace}, ${crawljob}, the board's time range
-- RESULT  rows (time, query, total: what the API reports, results: what it returned, pages, new_artists, truncated),
--         newest first, at most 200
-- TIME    the workers'
SELECT s.finished_at AS time, s.string AS query, s.total, s.results, s.pages, s.new_artists, s.truncated
FROM crawl_job j, newest_searches(j.run_id, $__timeFrom(), $__timeTo(), 200) s
WHERE j.namespace IN (${namespace:sqlstring}) AND j.name IN (${crawljob:sqlstring}) AND j.deleted_at IS NULL
ORDER BY s.finished_at DESC
LIMIT 200
