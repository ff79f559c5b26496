-- name: runs
-- When the CrawlJob was crawled, and what each run brought; the latest first.
--
-- ARGS    ${namespace}, ${crawljob}; whenever it was
-- RESULT  rows (run, started, finished: or null, requests, artists, new and gone: against the run before, or null
--         where they were not compared, deleted: its data are), at most 50
-- TIME    none
SELECT run, started_at AS started, finished_at AS finished, requests, artists, added AS new, gone,
       data_deleted_at IS NOT NULL AS deleted
FROM runs
WHERE namespace IN (${namespace:sqlstring}) AND name IN (${crawljob:sqlstring})
ORDER BY run DESC
LIMIT 50
