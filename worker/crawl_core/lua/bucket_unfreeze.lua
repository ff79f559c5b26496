-- bucket_unfreeze: lift a freeze. The floor stays: it guards permits that may still be on their way.
-- KEYS[1] slots zset, unused   KEYS[2] bucket hash (see bucket_init)
-- ARGV    layout, epoch: the ledger's, where it is higher
-- RETURN  {"ok", now_us, epoch, 0} | {"unknown", now_us, run_id} | {"layout", found}
-- TIME    the server's TIME, never a client's clock
local bucket_key = KEYS[2]
local time = redis.call("TIME")
local now = time[1] * 1000000 + time[2]
local run_id = string.match(redis.call("INFO", "server"), "run_id:(%w+)")
local b = redis.call("HMGET", bucket_key, "layout", "run_id", "epoch")
if b[1] and b[1] ~= ARGV[1] then return {"layout", b[1]} end
if b[2] ~= run_id then return {"unknown", now, run_id} end
local epoch = math.max(tonumber(b[3]), tonumber(ARGV[2])) + 1
redis.call("HSET", bucket_key, "frozen_us", 0, "epoch", epoch, "strikes", 0)
return {"ok", now, epoch, 0}
