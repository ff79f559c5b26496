-- frontier_stats: how much is pending and leased.
-- KEYS[1] pending zset {range id: range id}     KEYS[2] leases zset {range id: expires_us}
-- KEYS[3] tokens hash {range id: lease token}   KEYS[4] meta hash {epoch, completed, expired, layout}
-- ARGV    ttl_s, layout
-- RETURN  {"ok", epoch, pending, leased, overdue (leases that the next claim takes back), completed, expired}
--         | {"unknown"} | {"layout", found}
-- TIME    the server's TIME, never a client's clock
local pending, leases, meta = KEYS[1], KEYS[2], KEYS[4]
local ttl_s, layout = ARGV[1], ARGV[2]
local found = redis.call("HGET", meta, "layout")
if not found then return {"unknown"} end
if found ~= layout then return {"layout", found} end
local time = redis.call("TIME")
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local values = redis.call("HMGET", meta, "epoch", "completed", "expired")
for _, key in ipairs(KEYS) do redis.call("EXPIRE", key, ttl_s) end
return {"ok", values[1], redis.call("ZCARD", pending), redis.call("ZCARD", leases),
        redis.call("ZCOUNT", leases, "-inf", now_us), tonumber(values[2]), tonumber(values[3])}
