-- bucket_freeze: pause a bucket, because the upstream answered 429.
-- KEYS[1] slots zset, unused   KEYS[2] bucket hash (see bucket_init)
-- ARGV    layout, first_us: how long the first freeze lasts, longest_us: how long the doubled ones may last (as long as
--         the first: no doubling), epoch: the ledger's, where it is higher
-- RETURN  {"ok", now_us, epoch, frozen_us} | {"unknown", now_us, run_id} | {"layout", found}
-- TIME    the server's TIME, never a client's clock
local bucket_key = KEYS[2]
local layout, first, longest = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call("TIME")
local now = time[1] * 1000000 + time[2]
local run_id = string.match(redis.call("INFO", "server"), "run_id:(%w+)")
local b = redis.call("HMGET", bucket_key, "layout", "run_id", "frozen_us", "epoch", "strikes", "window_us", "timeout_us")
if b[1] and b[1] ~= layout then return {"layout", b[1]} end
if b[2] ~= run_id then return {"unknown", now, run_id} end
local frozen, epoch, strikes = tonumber(b[3]), tonumber(b[4]), tonumber(b[5])
-- 429s go on where one comes soon after the last freeze ended. Those that come while it lasts were sent before it, and
-- are the same event.
if longest == first or now > frozen + b[6] + b[7] then
  strikes = 0
elseif now >= frozen then
  strikes = math.min(strikes + 1, 40)
end
local freeze = math.min(first * 2 ^ strikes, longest)
frozen = math.floor(math.max(frozen, now + freeze))
epoch = math.max(epoch, tonumber(ARGV[4])) + 1
redis.call("HSET", bucket_key, "frozen_us", frozen, "epoch", epoch, "strikes", strikes)
return {"ok", now, epoch, frozen}
