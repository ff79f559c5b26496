-- bucket_succeeded: a request that was sent after the newest freeze was answered, so the next 429 begins anew.
-- KEYS[1] slots zset, unused   KEYS[2] bucket hash (see bucket_init)
-- ARGV    layout, epoch: of the freeze after which the request was sent
-- RETURN  {"ok"} | {"unknown", now_us, run_id} | {"layout", found}
-- TIME    the server's TIME, for the answer "unknown" alone
local bucket_key = KEYS[2]
local run_id = string.match(redis.call("INFO", "server"), "run_id:(%w+)")
local b = redis.call("HMGET", bucket_key, "layout", "run_id", "epoch")
if b[1] and b[1] ~= ARGV[1] then return {"layout", b[1]} end
if b[2] ~= run_id then
  local time = redis.call("TIME")
  return {"unknown", time[1] * 1000000 + time[2], run_id}
end
-- Below zero: bucket_freeze raises it, and counts from zero then.
if b[3] == ARGV[2] then redis.call("HSET", bucket_key, "strikes", -1) end
return {"ok"}
