-- name: results
-- How many results a string has, as the API reports: how many of the strings with any have so many.
--
-- ARGS    ${namespace}, ${crawljob}; since the job began
-- RESULT  rows (results: from - to, strings), fewest results first; none without such a job
-- TIME    none
SELECT c.results, sum(c.strings)::bigint AS strings
FROM crawl_job j
CROSS JOIN LATERAL (
    SELECT b.place, b.results, coalesce(f.strings, 0) AS strings
    FROM (VALUES (1, '1'), (2, '2-5'), (3, '6-20'), (4, '21-50'), (5, '51-200'), (6, '201-999'), (7, '1000 or more'))
         AS b (place, results)
    LEFT JOIN (
        SELECT width_bucket(total, ARRAY[1, 2, 6, 21, 51, 201, 1000]) AS place, count(*) AS strings
        FROM search WHERE job_id = j.id AND total > 0
        GROUP BY 1
    ) f USING (place)
) c
WHERE j.namespace IN (${namespace:sqlstring}) AND j.name IN (${crawljob:sqlstring}) AND j.deleted_at IS NULL
GROUP BY c.place, c.results
ORDER BY c.place
