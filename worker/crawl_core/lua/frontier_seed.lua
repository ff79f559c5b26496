-- frontier_seed: add ranges that are neither pending nor leased. Idempotent.
-- The first chunk of a seeding may create the job; a later chunk, and a push of child ranges, must carry the epoch
-- of the frontier it was meant for. Otherwise ranges pushed into a Redis that lost its memory would pass for a whole
-- frontier.
-- KEYS[1] pending zset {range id: range id}     KEYS[2] leases zset {range id: expires_us}
-- KEYS[3] tokens hash {range id: lease token}   KEYS[4] meta hash {epoch, completed, expired, layout}
-- ARGV    ttl_s, layout, may_create ("1" | "0"), epoch (of the frontier, or for the one to create), range id ...
-- RETURN  {"ok", epoch, added} | {"unknown"}: no such job, or of another epoch | {"layout", found}
-- TIME    none
local pending, leases, tokens, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local ttl_s, layout, may_create, epoch = ARGV[1], ARGV[2], ARGV[3] == "1", ARGV[4]
local found = redis.call("HGET", meta, "layout")
if found and found ~= layout then return {"layout", found} end
local current = redis.call("HGET", meta, "epoch")
if not current then
  if not may_create then return {"unknown"} end
  redis.call("DEL", pending, leases, tokens)
  redis.call("HSET", meta, "epoch", epoch, "layout", layout, "completed", 0, "expired", 0)
  current = epoch
elseif not may_create and current ~= epoch then
  return {"unknown"}
end
local added = 0
for i = 5, #ARGV do
  if not redis.call("ZSCORE", leases, ARGV[i]) then
    added = added + redis.call("ZADD", pending, "NX", ARGV[i], ARGV[i])
  end
end
for _, key in ipairs(KEYS) do redis.call("EXPIRE", key, ttl_s) end
return {"ok", current, added}
