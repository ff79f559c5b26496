-- bucket_reconcile: bring the ledger's row into the bucket: the freeze, and the limits where they changed.
-- KEYS[1] slots zset {permit id: instant from which its slot is free, us}   KEYS[2] bucket hash (see bucket_init)
-- ARGV    layout, ttl_s, and nothing more to look only; else read_us: now_us of a call before the row was read, epoch,
--         frozen_us, limit, window_us, timeout_us, even
-- RETURN  {"ok", now_us, epoch, frozen_us, configured_us, limit, window_us, timeout_us, even, free: slots free now}
--         | {"unknown", now_us, run_id} | {"layout", found}
-- TIME    the server's TIME, never a client's clock
local slots_key, bucket_key = KEYS[1], KEYS[2]
local time = redis.call("TIME")
local now = time[1] * 1000000 + time[2]
local run_id = string.match(redis.call("INFO", "server"), "run_id:(%w+)")
local b = redis.call("HMGET", bucket_key, "layout", "run_id", "epoch", "frozen_us", "limit", "window_us", "timeout_us",
  "even", "slots", "floor_us", "configured_us", "nonce", "counter", "slack_us", "slack_until_us", "unused")
if b[1] and b[1] ~= ARGV[1] then return {"layout", b[1]} end
if b[2] ~= run_id or redis.call("ZCARD", slots_key) ~= b[9] - b[16] then return {"unknown", now, run_id} end
local epoch, frozen, even = tonumber(b[3]), tonumber(b[4]), b[8]
local limit, window, timeout = tonumber(b[5]), tonumber(b[6]), tonumber(b[7])
local slots, unused, floor, configured = tonumber(b[9]), tonumber(b[16]), tonumber(b[10]), tonumber(b[11])

local function write(members)
  for i = 1, #members, 2000 do
    redis.call("ZADD", slots_key, unpack(members, i, math.min(i + 1999, #members)))
  end
end

local function lengthen(by)
  -- A slot is an arrival plus the window, so another window moves every slot. The floor moves later only: it counts
  -- permits of a lost memory, of which nothing is known.
  if by > 0 then floor = floor + by end
  local members = redis.call("ZRANGE", slots_key, 0, -1, "WITHSCORES")
  for i = 1, #members, 2 do
    members[i], members[i + 1] = math.max(tonumber(members[i + 1]) + by, floor), members[i]
  end
  write(members)
end

local function add(count)
  -- Free only one window after the change: no window that began before it may hold more than was allowed then.
  local free, counter, members = math.max(now + window, floor), tonumber(b[13]), {}
  for i = 1, count do
    members[#members + 1] = free
    members[#members + 1] = b[12] .. "." .. counter + i
  end
  write(members)
  redis.call("HSET", bucket_key, "counter", counter + count)
  slots = slots + count
end

if #ARGV > 2 then
  local row_epoch, row_frozen = tonumber(ARGV[4]), tonumber(ARGV[5])
  if row_epoch > epoch or (row_epoch == epoch and row_frozen > frozen) then
    epoch, frozen = row_epoch, row_frozen
    redis.call("HSET", bucket_key, "epoch", epoch, "frozen_us", frozen)
  end
  local asked = {tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]}
  local changed = asked[1] ~= limit or asked[2] ~= window or asked[3] ~= timeout or asked[4] ~= even
  -- A row that was read before somebody else configured the bucket may be the older one. (After a step back of the
  -- clock that cannot be told; the next comparison mends it.)
  if changed and (tonumber(ARGV[3]) >= configured or configured > now) then
    -- What is free and not needed goes first, else a raised limit would find it free at once.
    if slots > limit then
      local fresh = floor <= now and math.min(slots - limit, unused) or 0
      unused, slots = unused - fresh, slots - fresh
      local gone = redis.call("ZRANGEBYSCORE", slots_key, "-inf", now, "LIMIT", 0, slots - limit)
      for i = 1, #gone do redis.call("ZREM", slots_key, gone[i]) end
      slots = slots - #gone
    end
    -- Slots held for a longer timeout stay held as long as they are; a clock's step back must not cut them short.
    local slack = math.min(2000000, math.floor(window / 10)) + timeout + 500000
    if now < tonumber(b[15]) then slack = math.max(slack, tonumber(b[14])) end
    local by = asked[2] - window
    local slack_until = now + slack + math.max(window, asked[2])
    limit, window, timeout, even, configured = asked[1], asked[2], asked[3], asked[4], now
    if by ~= 0 then lengthen(by) end
    if limit > slots then add(limit - slots) end
    redis.call("HSET", bucket_key, "limit", limit, "window_us", window, "timeout_us", timeout, "even", even,
      "slots", slots, "unused", unused, "floor_us", floor, "configured_us", configured, "slack_us", slack, "slack_until_us", slack_until)
  end
end
for _, key in ipairs(KEYS) do redis.call("EXPIRE", key, ARGV[2]) end
local free = redis.call("ZCOUNT", slots_key, "-inf", now) + (floor <= now and unused or 0)
return {"ok", now, epoch, frozen, configured, limit, window, timeout, tonumber(even), free}
