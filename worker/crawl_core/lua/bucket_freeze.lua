-- bucket_freeze: pause a bucket, because the upstream answered 429.
-- KEYS[1] slots zset, unused   KEYS[2] bucket hash (see bucket_init)
-- ARGV    layout, asked_us: how long the upstream asks for (0: it does not say), first_us: how long the first freeze lasts
--         of which it says nothing, longest_us: how long doubled ones may last, epoch: the ledger's, where it is higher,
--         sent_epoch: of the freeze before the refused request was sent
-- RETURN  {"ok", now_us, epoch, frozen_us} | {"unknown", now_us, run_id} | {"layout", found}
-- TIME    the server's TIME, never a client's clock
local bucket_key = KEYS[2]
local layout, asked, first, longest = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call("TIME")
local now = time[1] * 1000000 + time[2]
local run_id = string.match(redis.call("INFO", "server"), "run_id:(%w+)")
local b = redis.call("HMGET", bucket_key, "layout", "run_id", "frozen_us", "epoch", "strikes", "window_us", "timeout_us")
if b[1] and b[1] ~= layout then return {"layout", b[1]} end
if b[2] ~= run_id then return {"unknown", now, run_id} end
local frozen, epoch, strikes = tonumber(b[3]), tonumber(b[4]), tonumber(b[5])
-- 429s go on where one comes soon after the last freeze ended, and no success came between (bucket_succeeded). Those of
-- requests that were sent before the freeze are the same event.
if now > frozen + b[6] + b[7] then
  strikes = 0
elseif now >= frozen and tonumber(ARGV[6]) >= epoch then
  strikes = math.min(strikes + 1, 40)
end
strikes = math.max(strikes, 0)
local freeze = asked
if asked == 0 or strikes > 0 then freeze = math.max(asked, math.min(first * 2 ^ strikes, longest)) end
frozen = math.floor(math.max(frozen, now + freeze))
epoch = math.max(epoch, tonumber(ARGV[5])) + 1
redis.call("HSET", bucket_key, "frozen_us", frozen, "epoch", epoch, "strikes", strikes)
return {"ok", now, epoch, frozen}
