-- name: rotate
-- Keep the request log bounded: see migration 0002.
--
-- ARGS    full_bytes, keep_closed
-- RESULT  one row (how many bins were opened or dropped)
-- TIME    now()
SELECT rotate_request_bins(%(full_bytes)s, %(keep_closed)s);
