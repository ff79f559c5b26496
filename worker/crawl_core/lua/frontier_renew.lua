-- frontier_renew: prolong leases, each only for the token it was given to.
-- A lease that has expired but was not taken back is still its holder's, and goes on.
-- KEYS[1] pending zset {range id: range id}     KEYS[2] leases zset {range id: expires_us}
-- KEYS[3] tokens hash {range id: lease token}   KEYS[4] meta hash {epoch, completed, expired, layout}
-- ARGV    ttl_s, layout, lease_ttl_us, then range id and token in turn
-- RETURN  {"ok", 1 | 0 ...}: one for each lease, 0 where it is lost | {"unknown"} | {"layout", found}
-- TIME    the server's TIME, never a client's clock
local leases, tokens, meta = KEYS[2], KEYS[3], KEYS[4]
local ttl_s, layout, lease_ttl_us = ARGV[1], ARGV[2], tonumber(ARGV[3])
local found = redis.call("HGET", meta, "layout")
if not found then return {"unknown"} end
if found ~= layout then return {"layout", found} end
local time = redis.call("TIME")
local expires_us = tonumber(time[1]) * 1000000 + tonumber(time[2]) + lease_ttl_us
local answer = {"ok"}
for i = 4, #ARGV, 2 do
  local mine = redis.call("HGET", tokens, ARGV[i]) == ARGV[i + 1]
  if mine then redis.call("ZADD", leases, expires_us, ARGV[i]) end
  answer[#answer + 1] = mine and 1 or 0
end
for _, key in ipairs(KEYS) do redis.call("EXPIRE", key, ttl_s) end
return answer
