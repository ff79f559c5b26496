-- name: results
-- How many results a string has, as the API reports: how many of the strings with any have so many.
--
-- ARGS    ${namespace}, ${crawljob}; since the run began
-- RESULT  rows (results: from - to, strings), fewest results first; none without such a job
-- TIME    none
SELECT c.results, sum(c.strings)::bigint AS strings
FROM crawl_job j
CROSS JOIN LATERAL (
    SELECT b.place, b.results, coalesce((SELECT sum(by_results[b.place]) FROM crawl_range WHERE run_id = j.run_id), 0)
           AS strings
    FROM (VALUES (1, '1'), (2, '2-5'), (3, '6-20'), (4, '21-50'), (5, '51-200'), (6, '201-999'), (7, '1000 or more'))
         AS b (place, results)
) c
WHERE j.namespace IN (${namespace:sqlstring}) AND j.name IN (${crawljob:sqlstring}) AND j.deleted_at IS NULL
GROUP BY c.place, c.results
ORDER BY c.place
