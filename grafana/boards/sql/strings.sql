-- name: strings
-- What became of the strings so far: empty, found, truncated, or given up.
--
-- ARGS    ${namespace}, ${crawljob}; since the job began
-- RESULT  one row (empty, found: with results and not truncated, truncated, dead_letters), none without such a job
-- TIME    none
SELECT sum(r.searches - f.strings)::bigint AS empty, sum(f.strings - t.strings)::bigint AS found,
       sum(t.strings)::bigint AS truncated, sum(d.strings)::bigint AS dead_letters
FROM crawl_job j
CROSS JOIN LATERAL (SELECT coalesce(sum(searches), 0) AS searches FROM crawl_range WHERE job_id = j.id) r
CROSS JOIN LATERAL (SELECT count(*) AS strings FROM search WHERE job_id = j.id AND total > 0) f
CROSS JOIN LATERAL (SELECT count(*) AS strings FROM search WHERE job_id = j.id AND truncated) t
CROSS JOIN LATERAL (SELECT count(*) AS strings FROM dead_letter WHERE job_id = j.id) d
WHERE j.namespace IN (${namespace:sqlstring}) AND j.name IN (${crawljob:sqlstring}) AND j.deleted_at IS NULL
HAVING count(*) > 0
