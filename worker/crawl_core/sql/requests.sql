-- name: rotate
-- Keep the request log bounded: see migration 0002.
--
-- ARGS    full_bytes, keep_closed, spare_s
-- RESULT  one row (how many bins were opened, taken into use or dropped)
-- TIME    now()
SELECT rotate_request_bins(%(full_bytes)s, %(keep_closed)s, %(spare_s)s);

-- name: bins
-- The bins of a job, for a query that reads its part of the request log.
--
-- ARGS    job_id
-- RESULT  one row (their ids)
-- TIME    none
--
-- Such a query must have them as values when it is planned, so also not be prepared: its plan, its memory and its locks
-- are then those of these few bins. Found by a join they would be those of the bins of all jobs: with 1,000 jobs half a
-- second, and more locks than a server has.
SELECT array(SELECT id FROM request_bin WHERE job_id = %(job_id)s);

-- name: latency
-- How long a job's requests took lately, answered or not: the mean of the last five minutes.
--
-- ARGS    job_id, bins as requests.bins says; not to be prepared
-- RESULT  one row (seconds, or null where there were none)
-- TIME    now(); the request log's times are the workers'
SELECT avg(recent.duration_s)::float8
FROM request_bin b, LATERAL (
    SELECT q.duration_s FROM api_request q WHERE q.bin = b.id AND q.bin = ANY(%(bins)s::bigint[]) AND q.at > now() - interval '5 minutes'
) recent
WHERE b.job_id = %(job_id)s AND (b.closed_at IS NULL OR b.closed_at > now() - interval '5 minutes');
