-- fragment: bucket_row
-- A bucket's name, limits and freeze: frozen_until_us in us since 1970, 0 for never; longest_timeout_s ever in force.
name, limit_requests AS requests, limit_window_s AS window_s, limit_timeout_s AS timeout_s, limit_even AS even, epoch,
coalesce(extract(epoch FROM frozen_until) * 1000000, 0)::bigint AS frozen_until_us, longest_timeout_s

-- name: insert
-- A bucket's row, where it is missing. Its limits are those of the jobs that bind it, else of any job that ever used it.
--
-- ARGS    name
-- RESULT  one row, bucket_row, when this call inserted it, else none: it is there, or no job uses such a bucket
-- TIME    none
INSERT INTO bucket (name, limit_requests, limit_window_s, limit_timeout_s, limit_even, longest_timeout_s)
SELECT %(name)s, coalesce(s.requests, past.requests), coalesce(s.window_s, past.window_s),
       coalesce(s.timeout_s, past.timeout_s), coalesce(s.even, past.even), past.timeout_s
FROM strictest_limits(%(name)s) s, (
    SELECT min(limit_requests) AS requests, max(limit_window_s) AS window_s, max(limit_timeout_s) AS timeout_s,
           bool_or(limit_even) AS even
    FROM crawl_job WHERE bucket = %(name)s OR (bucket_scope = 'Node' AND %(name)s LIKE 'node:%%')
) past
WHERE past.requests IS NOT NULL
ON CONFLICT (name) DO NOTHING
RETURNING
-- include: bucket_row

-- name: merge_freeze
-- Merge what a process knows of a freeze into the row, and bring the row's limits up to date. The higher epoch wins,
-- though its end be earlier: lifting a freeze is the newer word. On a tie the later end wins. Nothing is written when
-- nothing changes: every worker calls this every 10 s.
--
-- ARGS    name, epoch, frozen_until_us (0: never frozen)
-- RESULT  no row: call read
-- TIME    the caller's frozen_until_us
UPDATE bucket b SET
    limit_requests = coalesce(s.requests, b.limit_requests), limit_window_s = coalesce(s.window_s, b.limit_window_s),
    limit_timeout_s = coalesce(s.timeout_s, b.limit_timeout_s), limit_even = coalesce(s.even, b.limit_even),
    longest_timeout_s = greatest(b.longest_timeout_s, s.timeout_s),
    epoch = greatest(b.epoch, %(epoch)s),
    frozen_until = CASE WHEN b.epoch > %(epoch)s THEN b.frozen_until
                        WHEN b.epoch = %(epoch)s THEN greatest(b.frozen_until, n.frozen_until)
                        ELSE n.frozen_until END
FROM strictest_limits(%(name)s) s,
     (SELECT to_timestamp(nullif(%(frozen_until_us)s::bigint, 0)::float8 / 1000000) AS frozen_until) n
WHERE b.name = %(name)s
  AND (b.epoch < %(epoch)s
       OR (b.epoch = %(epoch)s AND n.frozen_until > coalesce(b.frozen_until, '-infinity'))
       OR (coalesce(s.requests, b.limit_requests), coalesce(s.window_s, b.limit_window_s),
           coalesce(s.timeout_s, b.limit_timeout_s), coalesce(s.even, b.limit_even))
          IS DISTINCT FROM (b.limit_requests, b.limit_window_s, b.limit_timeout_s, b.limit_even));

-- name: read
-- A bucket's row.
--
-- ARGS    name
-- RESULT  one row, bucket_row, or none
-- TIME    none
SELECT
-- include: bucket_row
FROM bucket WHERE name = %(name)s;

-- name: all
-- All buckets, by name.
--
-- ARGS    none
-- RESULT  rows, bucket_row each
-- TIME    none
SELECT
-- include: bucket_row
FROM bucket ORDER BY name;

-- name: binders
-- The other jobs whose limits count on a job's bucket now, the strictest first, and what they do. Nobody seems to crawl
-- one that has committed nothing for two minutes, or for two of its windows.
--
-- ARGS    job_id
-- RESULT  rows, the fields of Binder
-- TIME    now()
SELECT other.namespace || '/' || other.name AS name, other.limit_requests AS requests,
       other.limit_window_s AS window_s, other.limit_even AS even,
       CASE WHEN n.finished_at IS NOT NULL OR isfinite(other.released_at) THEN 'ends'
            WHEN other.spec -> 'suspend' = 'true' THEN 'suspended'
            WHEN n.started_at > lively.since
              OR EXISTS (SELECT FROM crawl_range r WHERE r.run_id = n.id AND r.changed_at > lively.since) THEN 'crawls'
            ELSE 'idle' END AS activity
FROM crawl_job j
JOIN crawl_job other ON other.id <> j.id
 AND (other.bucket = j.bucket OR (other.bucket_scope = 'Node' AND j.bucket_scope = 'Node'))
JOIN crawl_run n ON n.id = other.run_id,
LATERAL (SELECT now() - make_interval(secs => greatest(120, 2 * other.limit_window_s)) AS since) lively
WHERE j.id = %(job_id)s AND other.deleted_at IS NULL
  AND binds_until(other.released_at, n.finished_at, other.limit_timeout_s) > now()
ORDER BY other.limit_requests, other.limit_window_s DESC, other.id;
