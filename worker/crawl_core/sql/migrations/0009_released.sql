-- 0009: a job binds the others of its bucket only while a request of it can still arrive.

-- Until when a job's limits count. `released_at` says it of one whose workers have ended (see jobs.release), and is
-- infinity for one that is closed while that is found out. A run that has ended has nothing left to send.
--
-- A request can arrive last after the longest horizon (2 s), the send deadline (0.25 s), its timeout, and the margin of
-- the limiter's holds (0.5 s).
CREATE FUNCTION last_arrival(ended_at timestamptz, timeout_s double precision) RETURNS timestamptz
LANGUAGE sql STABLE AS $$ SELECT ended_at + make_interval(secs => timeout_s + 2.75) $$;

CREATE FUNCTION binds_until(released_at timestamptz, finished_at timestamptz, timeout_s double precision)
RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT coalesce(least(released_at, last_arrival(finished_at, timeout_s)), 'infinity')
$$;

-- A bucket's limits are the strictest of the jobs that bind it.
--
-- One row (nulls when no job does). Jobs of scope Node use the bucket of every node.
CREATE OR REPLACE FUNCTION strictest_limits(bucket_name text)
RETURNS TABLE (requests integer, window_s double precision, timeout_s double precision, even boolean)
LANGUAGE sql STABLE AS $$
    SELECT min(limit_requests), max(limit_window_s), max(limit_timeout_s), bool_or(limit_even)
    FROM crawl_job j JOIN crawl_run n ON n.id = j.run_id
    WHERE j.deleted_at IS NULL AND binds_until(j.released_at, n.finished_at, j.limit_timeout_s) > now()
      AND (j.bucket = bucket_name OR (j.bucket_scope = 'Node' AND bucket_name LIKE 'node:%'))
$$;
