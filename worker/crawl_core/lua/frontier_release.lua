-- frontier_release: give a leased range back, for anybody to claim at once.
-- KEYS[1] pending zset {range id: range id}     KEYS[2] leases zset {range id: expires_us}
-- KEYS[3] tokens hash {range id: lease token}   KEYS[4] meta hash {epoch, completed, expired, layout}
-- ARGV    ttl_s, layout, range id, token
-- RETURN  {"ok", 1 | 0}: 0 where the lease is not this token's | {"unknown"} | {"layout", found}
-- TIME    none
local pending, leases, tokens, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local ttl_s, layout, id, token = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local found = redis.call("HGET", meta, "layout")
if not found then return {"unknown"} end
if found ~= layout then return {"layout", found} end
local mine = redis.call("HGET", tokens, id) == token
if mine then
  redis.call("ZREM", leases, id)
  redis.call("HDEL", tokens, id)
  redis.call("ZADD", pending, id, id)
end
for _, key in ipairs(KEYS) do redis.call("EXPIRE", key, ttl_s) end
return {"ok", mine and 1 or 0}
