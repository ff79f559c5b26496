-- name: strings
-- What became of the strings so far: empty, found, truncated, or given up.
--
-- ARGS    ${namespace}, ${crawljob}; since the run began
-- RESULT  one row (empty, found: with results and not truncated, truncated, dead_letters), none without such a job
-- TIME    none
SELECT sum(r.searches - r.found)::bigint AS empty, sum(r.found - r.truncated)::bigint AS found,
       sum(r.truncated)::bigint AS truncated, sum(d.strings)::bigint AS dead_letters
FROM crawl_job j
CROSS JOIN LATERAL (
    SELECT coalesce(sum(searches), 0) AS searches, coalesce(sum(truncated), 0) AS truncated,
           coalesce(sum(by_results[1] + by_results[2] + by_results[3] + by_results[4] + by_results[5] + by_results[6]
                        + by_results[7]), 0) AS found
    FROM crawl_range WHERE run_id = j.run_id
) r
CROSS JOIN LATERAL (SELECT count(*) AS strings FROM dead_letter WHERE run_id = j.run_id) d
WHERE j.namespace IN (${namespace:sqlstring}) AND j.name IN (${crawljob:sqlstring}) AND j.deleted_at IS NULL
HAVING count(*) > 0
