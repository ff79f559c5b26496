-- name: source
-- What the CrawlJob crawls, and in which run.
--
-- ARGS    ${namespace}, ${crawljob}
-- RESULT  a row a job (run, source_type, dataset, market: or null, detail: such as the sandbox's catalogue, or null)
-- TIME    none
SELECT n.number AS run, s.type AS source_type, s.dataset, nullif(s.market, '') AS market,
       (SELECT string_agg(key || ' ' || value, ', ' ORDER BY key) FROM jsonb_each_text(s.detail)) AS detail
FROM crawl_job j JOIN crawl_run n ON n.id = j.run_id JOIN source s ON s.id = j.source_id
WHERE j.namespace IN (${namespace:sqlstring}) AND j.name IN (${crawljob:sqlstring}) AND j.deleted_at IS NULL
ORDER BY j.id
LIMIT 100
