-- name: truncated
-- The strings that hide most artists: truncated ones, by what the API reports in total.
--
-- ARGS    ${namespace}, ${crawljob}; whenever it was
-- RESULT  rows (query, total, results: what was returned, refined: its extensions are searched as well, new_artists,
--         time), at most 100
-- TIME    the workers'
SELECT s.string AS query, s.total, s.results,
       length(s.string) < (j.spec #>> '{keyspace,maxLength}')::integer AS refined, s.new_artists, s.finished_at AS time
FROM crawl_job j, largest_truncated(j.run_id, 100) s
WHERE j.namespace IN (${namespace:sqlstring}) AND j.name IN (${crawljob:sqlstring}) AND j.deleted_at IS NULL
ORDER BY s.total DESC, s.string
LIMIT 100
