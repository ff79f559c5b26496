-- frontier_claim: lease the first pending range, after taking back the leases that have expired.
-- Because every claim takes back first, no reaper is needed. A waiting worker learns when to ask again.
-- KEYS[1] pending zset {range id: range id}     KEYS[2] leases zset {range id: expires_us}
-- KEYS[3] tokens hash {range id: lease token}   KEYS[4] meta hash {epoch, completed, expired, layout}
-- ARGV    ttl_s, layout, lease_ttl_us, token (drawn for this claim)
-- RETURN  {"lease", range id, epoch} | {"empty", us until the next lease expires, or -1} | {"unknown"} | {"layout", found}
-- TIME    the server's TIME, never a client's clock
local pending, leases, tokens, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local ttl_s, layout, lease_ttl_us, token = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local found = redis.call("HGET", meta, "layout")
if not found then return {"unknown"} end
if found ~= layout then return {"layout", found} end
local time = redis.call("TIME")
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local expired = redis.call("ZRANGEBYSCORE", leases, "-inf", now_us, "LIMIT", 0, 100)
for _, id in ipairs(expired) do
  redis.call("ZREM", leases, id)
  redis.call("HDEL", tokens, id)
  redis.call("ZADD", pending, id, id)
end
if #expired > 0 then redis.call("HINCRBY", meta, "expired", #expired) end
local first = redis.call("ZPOPMIN", pending)
local answer
if first[1] then
  redis.call("ZADD", leases, now_us + lease_ttl_us, first[1])
  redis.call("HSET", tokens, first[1], token)
  answer = {"lease", first[1], redis.call("HGET", meta, "epoch")}
else
  local next_lease = redis.call("ZRANGE", leases, 0, 0, "WITHSCORES")
  answer = {"empty", next_lease[2] and math.max(0, tonumber(next_lease[2]) - now_us) or -1}
end
for _, key in ipairs(KEYS) do redis.call("EXPIRE", key, ttl_s) end
return answer
