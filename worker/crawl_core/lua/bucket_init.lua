-- bucket_init: make a bucket that Redis does not know, from the ledger's row.
-- KEYS[1] slots zset {permit id: instant from which its slot is free, us}
-- KEYS[2] bucket hash {layout, run_id, nonce, counter: of permit ids; limit, window_us, timeout_us, even; slots: how many
--         there are, unused: how many of them have no member, floor_us: until it no permit is granted; last_us: the last
--         grant; frozen_us, epoch, strikes: the freeze; seen_us: TIME at the last grant; configured_us; slack_us,
--         slack_until_us: an older, longer timeout}
-- ARGV    layout, ttl_s, now_us and run_id as the unknown bucket answered, nonce, limit, window_us, timeout_us, even,
--         epoch, frozen_us, fresh: 1 where the caller inserted the ledger's row, so that no permit can be on its way;
--         longest_us: the longest timeout that permits of the lost memory may have been granted under
-- RETURN  {"made", floor_us} | {"late"} | {"known"} | {"layout", found}
-- TIME    the server's TIME, never a client's clock
local slots_key, bucket_key = KEYS[1], KEYS[2]
local layout, ttl_s, asked, asked_run_id, nonce = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local limit, window, timeout, even = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]
local epoch, frozen, fresh = tonumber(ARGV[10]), tonumber(ARGV[11]), ARGV[12] == "1"
local longest = math.max(timeout, tonumber(ARGV[13]))
local time = redis.call("TIME")
local now = time[1] * 1000000 + time[2]
local run_id = string.match(redis.call("INFO", "server"), "run_id:(%w+)")
local b = redis.call("HMGET", bucket_key, "layout", "run_id", "slots", "epoch", "frozen_us", "counter",
  "unused")
if b[1] and b[1] ~= layout then return {"layout", b[1]} end
-- Who inserted the row may start free even where somebody else, who found it, came first with a floor: before the row
-- there was no permit, and behind the floor there was none either.
local untouched = fresh and b[6] == "0"
local whole = b[2] == run_id and redis.call("ZCARD", slots_key) == b[3] - b[7]
if whole and not untouched then return {"known"} end
-- A caller that slept since it asked may hold a row from before a freeze, or a right to start free that has passed.
if run_id ~= asked_run_id or now < asked or now - asked > 1000000 then return {"late"} end
-- A snapshot may remember a freeze that never reached the ledger.
if b[4] then
  local known_epoch, known_frozen = tonumber(b[4]), tonumber(b[5])
  if known_epoch > epoch then
    epoch, frozen = known_epoch, known_frozen
  elseif known_epoch == epoch then
    frozen = math.max(frozen, known_frozen)
  end
end
-- Permits of the lost memory leave up to the horizon from now, and occupy a place for HOLD. Nobody knows which timeout
-- they were granted under: one that was shortened since may have been longer.
local horizon = math.min(2000000, math.floor(window / 10))
local floor = fresh and 0 or now + horizon + longest + window + 500000
redis.call("DEL", slots_key, bucket_key)
redis.call("HSET", bucket_key, "layout", layout, "run_id", run_id, "nonce", nonce, "counter", 0,
  "limit", limit, "window_us", window, "timeout_us", timeout, "even", even, "slots", limit, "unused", limit, "floor_us", floor,
  "last_us", 0, "frozen_us", frozen, "epoch", epoch, "strikes", 0, "seen_us", now, "configured_us", now,
  "slack_us", horizon + longest + 500000, "slack_until_us", floor)
redis.call("EXPIRE", bucket_key, ttl_s)
return {"made", floor}
