-- The beginning of every script about topics. A script is one step.
--
-- KEYS[1] is the base of all keys of a shard. ../shared/prelude.lua says why there is a
-- KEYS[2]. The keys of a topic:
--   :t:h:<name>        the head; without it, the topic has not begun
--   :t:z:<name>:<log>  the head of an epoch that has ended, after the number of that step
--   :t:l:<name>:<log>  stream, the messages without a key; see log.lua
--   :t:k:<name>:<log>  hash, event and key -> the message that has them
--   :t:q:<name>:<log>  sorted set, event and key of those that do not grow, by number
--   :t:o:<name>:<log>  the same of those that still grow, by the number of the last piece
--   :t:d:<name>:<log>  sorted set, the messages with TTL, by the time when they expire
--   :t:g:<name>:<log>:<first>  the text of a message with pieces
--   :t:p:<name>:<log>:<first>  where its pieces end
--   :t:m:<name>        hash, id -> member; '' -> the salt of their keys, and how many came
--   :t:e:<name>        hash, entrance:id -> the node through which the member came
--   :t:n:<name>        hash, node -> how many entrances it has
--   :t:c:<name>        channel, the frames
-- and :t:a:<node>, the lease of a node with entrances in the shard.
--
-- A log is named after its first epoch. The keys of a log last for a minute longer than
-- its messages. Times are in microseconds.
--
-- ARGV: the step's number, how often it was asked before, the node, PUBLISH or SPUBLISH,
-- the lease in ms; then the script's own.
local K, OP, AGAIN, ME, PUB, LEASE = KEYS[1], ARGV[1], ARGV[2] ~= '0', ARGV[3], ARGV[4], tonumber(ARGV[5])
local clock = redis.call('TIME')
local NOW = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local GRACE = 60000
local WINDOW = 64 -- how many tags of the last messages the head has

local NAME, AGE, MS -- the topic, its Age, and that in milliseconds
local H
local function use(name, age)
  NAME, AGE, MS = name, tonumber(age), math.ceil(tonumber(age) / 1000)
  H = K .. ':t:h:' .. name
end
local function of(kind) return K .. ':t:' .. kind .. ':' .. NAME end

local function int(n) return string.format('%.0f', n) end

-- The head. Without an epoch, the topic's last epoch has ended, and the next has not begun.
local HEAD = '>I4I4I4I4I4I4I8I8I8I8I8I8I8'
local function parsed(raw)
  local h, at = {}, 0
  h.epoch, h.log, h.ended, h.endedlog, h.lost, h.members, h.top, h.base, h.count, h.bytes, h.at, h.old, h.due, at =
    struct.unpack(HEAD, raw)
  h.tags = string.sub(raw, at)
  return h
end
local function packed(h)
  return struct.pack(HEAD, h.epoch, h.log, h.ended, h.endedlog, h.lost, h.members, h.top, h.base, h.count, h.bytes,
    h.at, h.old, h.due) .. h.tags
end
local function head()
  local raw = redis.call('GET', H)
  return raw and parsed(raw)
end

-- ended returns the epoch that has ended last, if something of it may be retained, or 0.
local function ended(h)
  if h and h.ended ~= 0 and redis.call('EXISTS', of('z') .. ':' .. int(h.endedlog)) == 1 then return h.ended end
  return 0
end

-- While there are members, nodes renew the head with their leases.
local function life(h)
  return h.members > 0 and math.max(MS, 2 * LEASE) or MS
end
-- needsLittle is called by steps that are not to fail on a full Redis: once a script has
-- written anything, Redis lets it finish.
local function needsLittle() redis.call('DEL', KEYS[2]) end
local function save(h) redis.call('SET', H, packed(h), 'PX', life(h)) end

-- touch counts as use.
local function touch(h)
  redis.call('PEXPIRE', H, life(h))
  if h.members > 0 then
    for _, kind in ipairs({ 'm', 'e', 'n' }) do redis.call('PEXPIRE', of(kind), life(h) + GRACE) end
  end
end

-- another returns an epoch that the topic has not had lately.
local function another(h, epoch)
  while epoch == 0 or epoch == h.ended or epoch == h.endedlog or epoch == h.lost or epoch == h.log do
    epoch = epoch + 1
  end
  return epoch
end

-- begun returns the head of the epoch, which begins under that number if there is none.
-- new says that it must be saved.
local function begun(h, epoch)
  if h and h.epoch ~= 0 then return h, false end
  h = h or { ended = 0, endedlog = 0, lost = 0, members = 0 }
  h.epoch = another(h, epoch)
  h.log, h.top, h.base, h.count, h.bytes, h.at, h.old, h.due, h.tags = h.epoch, 0, 0, 0, 0, NOW, NOW, 0, ''
  return h, true
end

local function publish(frame) redis.pcall(PUB, of('c'), frame) end
