-- name: results
-- How many results a string has, as the API reports: how many of the strings with any have so many.
--
-- ARGS    ${namespace}, ${crawljob}; since the run began
-- RESULT  rows (results: from - to, strings), fewest results first; none without such a job
-- TIME    none
SELECT b.results, sum(r.strings[b.place])::bigint AS strings
FROM crawl_job j
CROSS JOIN LATERAL (
    SELECT ARRAY[sum(by_results[1]), sum(by_results[2]), sum(by_results[3]), sum(by_results[4]), sum(by_results[5]),
                 sum(by_results[6]), sum(by_results[7])] AS strings
    FROM crawl_range WHERE run_id = j.run_id
) r
CROSS JOIN (VALUES (1, '1'), (2, '2-5'), (3, '6-20'), (4, '21-50'), (5, '51-200'), (6, '201-999'), (7, '1000 or more'))
           AS b (place, results)
WHERE j.namespace IN (${namespace:sqlstring}) AND j.name IN (${crawljob:sqlstring}) AND j.deleted_at IS NULL
GROUP BY b.place, b.results
ORDER BY b.place
