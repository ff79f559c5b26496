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
