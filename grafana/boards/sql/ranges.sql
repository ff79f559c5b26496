-- name: ranges
-- The ranges in work: those a worker has that moved within ten minutes of the job's last commit. So a crawl that stands
-- still goes on showing where it stands, and the age of the commits says since when.
--
-- ARGS    ${namespace}, ${crawljob}; as of now
-- RESULT  rows (range_id, first, last, cursor: the string it goes on with, done_ratio: share of its strings that lie
--         before the cursor, searches, new_artists, commit_age_s: since its last commit), the latest first, at most 200
-- TIME    now()
SELECT r.id AS range_id, r.first, r.last, r.cursor ->> 'string' AS cursor,
       (keyspace_position(k.alphabet, r.cursor ->> 'string') - keyspace_position(k.alphabet, r.first))::float8
       / (keyspace_position(k.alphabet, r.last) - keyspace_position(k.alphabet, r.first) + 1) AS done_ratio,
       r.searches, r.artists_new AS new_artists, extract(epoch FROM now() - r.changed_at)::float8 AS commit_age_s
FROM crawl_job j
CROSS JOIN LATERAL (
    SELECT j.identity #>> '{keyspace,alphabet}' AS alphabet, max(changed_at) AS changed_at
    FROM crawl_range WHERE run_id = j.run_id
) k
JOIN crawl_range r ON r.run_id = j.run_id AND r.state = 'open' AND r.owner IS NOT NULL
                  AND r.changed_at > k.changed_at - interval '10 minutes'
WHERE j.namespace IN (${namespace:sqlstring}) AND j.name IN (${crawljob:sqlstring}) AND j.deleted_at IS NULL
ORDER BY r.changed_at DESC, r.id
LIMIT 200
