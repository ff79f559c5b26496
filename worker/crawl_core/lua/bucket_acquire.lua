-- bucket_acquire: free the slots of permits that were answered or never sent, then grant up to `count` permits, or say
--         when to ask again.
-- KEYS[1] slots zset {permit id: instant from which its slot is free, us}: the permit that took a slot last stands for it;
--         `unused` slots that nobody took yet have no member, and are free from the floor on
-- KEYS[2] bucket hash (see bucket_init)
-- ARGV    layout, count, c, then c times {permit id, age_us of its answer}, then {permit id, free_us, window_us} of
--         each permit that was never sent, as it was granted
-- RETURN  {"ok", now_us, epoch, frozen_us, configured_us, window_us, timeout_us, horizon_us, wait_us, then {permit id,
--         delay_us, free_us} of each permit}; wait_us is when to ask for more, -1 where all were granted
--         | {"unknown", now_us, run_id} | {"layout", found}
-- TIME    the server's TIME, never a client's clock
local slots_key, bucket_key = KEYS[1], KEYS[2]
local time = redis.call("TIME")
local now = time[1] * 1000000 + time[2]
local b = redis.call("HMGET", bucket_key, "layout", "run_id", "seen_us", "limit", "window_us", "timeout_us", "even",
  "slots", "floor_us", "last_us", "frozen_us", "epoch", "nonce", "counter", "configured_us", "unused")
if b[1] and b[1] ~= ARGV[1] then return {"layout", b[1]} end

local function server_run_id() return string.match(redis.call("INFO", "server"), "run_id:(%w+)") end

local seen = tonumber(b[3] or 0)
-- Another run_id is another memory: a restart from a snapshot or a failover may have forgotten grants. No server dies
-- and answers again within 1 ms of its last grant, so fast limits need not pay for INFO at each call.
if now < seen or now - seen > 1000 then
  local run_id = server_run_id()
  if b[2] ~= run_id then return {"unknown", now, run_id} end
end
local limit, window, timeout, slots = tonumber(b[4]), tonumber(b[5]), tonumber(b[6]), tonumber(b[8])
local floor, last, frozen = tonumber(b[9]), tonumber(b[10]), tonumber(b[11])
local horizon = math.min(2000000, math.floor(window / 10))

if now < seen then
  -- The clock stepped back: what was ahead by construction must not stay ahead by the step as well.
  local slack = redis.call("HMGET", bucket_key, "slack_us", "slack_until_us")
  local bound = now + window + math.max(horizon + timeout + 500000, now < tonumber(slack[2]) and tonumber(slack[1]) or 0)
  for _, id in ipairs(redis.call("ZRANGEBYSCORE", slots_key, "(" .. string.format("%.0f", bound), "+inf")) do
    redis.call("ZADD", slots_key, bound, id)
  end
  floor, last = math.min(floor, bound), math.min(last, now + horizon)
  redis.call("HSET", bucket_key, "floor_us", floor, "last_us", last, "seen_us", now)
end

-- An answered permit's slot is free one window after the answer, a permit never sent leaves its slot as it was. XX: an
-- id that is gone is a late confirmation. LT: nothing frees a slot later than its own hold.
local given = 3 + 2 * ARGV[3]
if #ARGV > 3 then
  local freed = {}
  for i = 4, given, 2 do
    freed[#freed + 1] = math.max(now - ARGV[i + 1] + window, floor)
    freed[#freed + 1] = ARGV[i]
  end
  for i = given + 1, #ARGV, 3 do
    freed[#freed + 1] = math.max(ARGV[i + 1] + window - ARGV[i + 2], floor)
    freed[#freed + 1] = ARGV[i]
  end
  for i = 1, #freed, 2000 do
    redis.call("ZADD", slots_key, "XX", "LT", unpack(freed, i, math.min(i + 1999, #freed)))
  end
end

local reply = {"ok", now, tonumber(b[12]), frozen, tonumber(b[15]), window, timeout, horizon, -1}
local count = tonumber(ARGV[2])
if count == 0 then return reply end

-- After a lowered limit there are more slots than places. Surplus slots go once they are free; until then a grant must
-- find `surplus` free slots beside the one it takes, so that fewer than `limit` are taken.
local unused, surplus = tonumber(b[16]), slots - limit
if surplus > 0 then
  local gone = floor <= now and math.min(surplus, unused) or 0
  unused, slots, surplus = unused - gone, slots - gone, surplus - gone
  local free = redis.call("ZRANGEBYSCORE", slots_key, "-inf", now, "LIMIT", 0, surplus)
  for i = 1, #free do redis.call("ZREM", slots_key, free[i]) end
  slots, surplus = slots - #free, surplus - #free
  if gone + #free > 0 then redis.call("HSET", bucket_key, "slots", slots, "unused", unused) end
end
count = math.min(count, limit)
local needed = math.max(0, count + surplus - unused)
local ranked = needed > 0 and redis.call("ZRANGE", slots_key, 0, needed - 1, "WITHSCORES") or {}
if #ranked ~= 2 * needed or (unused > 0 and redis.call("ZCARD", slots_key) ~= slots - unused) then
  -- The slots were evicted without the marker: the bucket's memory is gone.
  return {"unknown", now, server_run_id()}
end

local function free_from(rank)
  return rank < unused and floor or tonumber(ranked[2 * (rank - unused) + 2])
end

local spacing = b[7] == "1" and math.ceil(0.9 * window / limit) or 0
local earliest = math.max(now, floor, frozen)
local hold = timeout + window + 500000
local counter = tonumber(b[14])
local taken, held = 0, {}
while taken < count do
  local at = math.max(earliest, free_from(taken + surplus), last + spacing)
  if at - now > horizon then
    -- The same instant for everybody, and never far: promises to those who vanish would strand the budget.
    reply[9] = math.min(at - horizon - now, math.floor(window / 2), 10000000)
    break
  end
  counter, last = counter + 1, at
  local id = b[13] .. "." .. counter
  held[#held + 1] = at + hold
  held[#held + 1] = id
  reply[#reply + 1] = id
  reply[#reply + 1] = at - now
  reply[#reply + 1] = free_from(taken)
  taken = taken + 1
end
if taken > 0 then
  local first = math.min(taken, unused)
  if first < taken then redis.call("ZREMRANGEBYRANK", slots_key, 0, taken - first - 1) end
  redis.call("ZADD", slots_key, unpack(held))
  if unused == slots then redis.call("EXPIRE", slots_key, redis.call("TTL", bucket_key)) end
  redis.call("HSET", bucket_key, "last_us", last, "counter", counter, "seen_us", now, "unused", unused - first)
end
return reply
