-- name: dead_letters
-- The strings that were given up, newest first.
--
-- ARGS    ${namespace}, ${crawljob}; whenever it was
-- RESULT  rows (time, query, reason, attempts, last_error, replayed: it is being searched again), at most 200
-- TIME    the workers'
SELECT d.at AS time, d.string AS query, d.reason, d.attempts, d.last_error, d.replay_range IS NOT NULL AS replayed
FROM crawl_job j JOIN dead_letter d ON d.run_id = j.run_id
WHERE j.namespace IN (${namespace:sqlstring}) AND j.name IN (${crawljob:sqlstring}) AND j.deleted_at IS NULL
ORDER BY d.at DESC, d.string
LIMIT 200
