-- name: runs
-- When the CrawlJob was crawled, and what each run brought; the latest first.
--
-- ARGS    ${namespace}, ${crawljob}; whenever it was
-- RESULT  rows (run, started, finished: or null, requests, artists, new: against the run before, or to the ledger where
--         they were not compared, gone: or null, deleted: its data are), at most 50
-- TIME    none
SELECT run, started_at AS started, finished_at AS finished, requests, artists, coalesce(added, artists_new) AS new, gone,
       data_deleted_at IS NOT NULL AS deleted
FROM runs
WHERE namespace IN (${namespace:sqlstring}) AND name IN (${crawljob:sqlstring})
ORDER BY run DESC
LIMIT 50
