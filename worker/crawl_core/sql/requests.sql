-- name: rotate
-- Keep the request log bounded: see migration 0002.
--
-- ARGS    full_bytes, keep_closed, spare_s
-- RESULT  one row (how many bins were opened, taken into use or dropped)
-- TIME    now()
SELECT rotate_request_bins(%(full_bytes)s, %(keep_closed)s, %(spare_s)s);
