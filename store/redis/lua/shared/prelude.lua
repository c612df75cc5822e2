-- The beginning of every script. A script is one step: it reads the session's state,
-- changes it here, and writes it back once.
--
-- KEYS[1] is the base of all keys of a shard; it carries the hash tag, so that what is derived from it lies in one slot.
--   of the ids that hash to this shard (times are microseconds):
--   :i             hash, id -> the place of its session: the epoch, a dot, and how often it has moved
--   :r:<id>        when the id was revoked, for as long as older values are refused        (I11, I13)
--   :f:<id>        its fence: until when the id that was moved is unsettled; kept for a minute longer      (I14)
--   :a:<id>        its way: where one client may still find the session, by which token                     (I6)
--   :o:<id>        the token of the ways that lead to the id. A way counts while its token is the one
--                  that stands here; without it, all of them have ended, however many they were
--   :p:<id>        the epoch of a session that is on its way to the id
--   :e:<op>        how often an end was asked for, for a minute, if more than once
--   of the logs whose epochs end in this shard's number:
--   :boot          the upper half of every epoch made here; lost together with the data                          (D1, D2 restarted)
--   :x             sorted set, <epoch>:<id> -> when the session has to be looked at; the id is the one it was
--                  made under, so that one member stands for it all its life                        (D6, I16)
--   :h             hash, epoch -> the head of the log: see struct.lua. It lives exactly as long as the session         (R1)
--   :s:<epoch>     the state: the packed rest; or X and a tombstone
--   :m:<epoch>     list, the entries, oldest first; see sparse.lua for logs with Key or TTL, which also have
--   :k: :u:<epoch> what is the latest of each key, and when TTLs are over
--   :n:<node>      channel, the entries and wake-ups for that node                                     (R2)
--   :l:<node>.<n>  the last batch of appends on the node's n-th lane, and its answer, for a minute      (R3)
--   :z: :y:<op>    what an operation ended or left, in case its caller has to ask again
--   :q:<node>      that node's last question for what has expired
-- A session begins in the shard of its id, so that all of it is in one slot. Only after a Move its id may be elsewhere: see move.lua.
--
-- Neither KEYS[1] nor KEYS[2] ever exists. Two missing keys let Redis answer TRYAGAIN
-- while the slot migrates; a script of one key would run where half of the data is.
--
-- ARGV: the operation's number, how often it was asked before, the node, PUBLISH or SPUBLISH, the lease in ms; then the script's own.
local K, OP, AGAIN, ME, PUB, LEASE = KEYS[1], ARGV[1], ARGV[2] ~= '0', ARGV[3], ARGV[4], tonumber(ARGV[5])
local clock = redis.call('TIME')
local US = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local NOW = math.floor(US / 1000)
local HEAD, OVERHEAD = 15, 96
local LINGERING = 32 -- how many ended links may wait for their owners to detach them, beyond as many as may live
local KEEP = 3600000 -- a tombstone's life, and how much longer than a session its keys live if nobody claims it
local SOON = 5000 -- after so long, another call finishes what was begun in several steps
local LONG = 30000 -- after so long, the node that saw a departure will not report it any more

-- hex returns a tag of four bytes in hex; '' if it is none.
local function hex(s)
  if #s < 4 or s == NONE then return '' end
  return string.format('%02x%02x%02x%02x', string.byte(s, 1, 4))
end

-- An entry is: tag 4, time 6, binary 1, length of event 2, of reader 2; reader, event, data.
local function stamped(el)
  local high, low = math.floor(NOW / 16777216), NOW % 16777216
  return string.sub(el, 1, 4) .. string.char(math.floor(high / 65536) % 256, math.floor(high / 256) % 256, high % 256,
    math.floor(low / 65536), math.floor(low / 256) % 256, low % 256) .. string.sub(el, 11)
end
local function stamp(el)
  local a, b, c, d, e, f = string.byte(el, 5, 10)
  return ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f
end
local function readerlen(el)
  local a, b = string.byte(el, 14, 15)
  return a * 256 + b
end
-- special returns whether the entry has a Key or a TTL: see sparse.lua.
local function special(el) return string.byte(el, 11) >= 2 end
local function size(el) return #el - HEAD - readerlen(el) + OVERHEAD - (special(el) and 14 or 0) end

local S, M -- the keys of the session that is being worked on
local drop = 0 -- how many entries have left in this step; they leave the list when the state is written

local sparse = {} -- see sparse.lua

local function use(epoch) S, M, drop = K .. ':s:' .. epoch, K .. ':m:' .. epoch, 0 end

-- raw returns the state with what stands in the head, or the tombstone. If Redis has lost
-- the state, the rest of the log goes, too.
local function raw(epoch)
  use(epoch)
  local s, h = redis.call('GET', S), redis.call('HGET', K .. ':h', epoch)
  if not s and h then
    redis.call('HDEL', K .. ':h', epoch)
    redis.call('DEL', M, K .. ':k:' .. epoch, K .. ':u:' .. epoch)
  end
  if not s then return nil end
  if string.sub(s, 1, 1) == 'X' then return nil, unpack(string.sub(s, 2)) end
  if not h then return nil end
  local st = withhead(unpack(s), h, epoch)
  if st.sp then sparse.refresh(st) end
  return st
end
-- load returns the state for a step of a handle. ARGV[6] is its place, or the epoch alone
-- if the step counts after any moves. A handle from before a Move is refused before
-- anything else (I12). If a living session refuses, its state is the third result.
local function load(place)
  place = place or ARGV[6]
  local st, tomb = raw(string.sub(place, 1, 16))
  if #place > 17 and (st or tomb) and tonumber(string.sub(place, 18)) ~= (st or tomb).mg then return nil, 'moved', st end
  if not st then return nil, tomb and tomb.w or 'lost' end -- by Redis: a session that ends leaves a tombstone
  if st.rv then return nil, 'revoked' end -- it is about to be ended
  if st.fz then return nil, 'moved', st end -- on its way into another session
  return st
end

-- refused returns why the log refuses a request (I13, I14); '' is not given.
local function refused(st, signed, came)
  if signed ~= '' and tonumber(signed) <= (st.ba or 0) then return 'revoked' end
  if came ~= '' and tonumber(came) < (st.si or 0) then return 'moved' end
end

-- outdated returns why a link of that number does not count (I7, I12). 0 is a call of the
-- application.
local function outdated(st, number)
  if number == 0 then return end
  if number <= st.fn or number > st.n then return 'notfound' end
  if number <= (st.rn or 0) then return 'renewed' end
end

-- undone returns whether the caller has given this step up (undo.lua).
local function undone(st)
  if st.wd and NOW - st.wt > 60000 then st.wd, st.wt = nil, nil end
  return st.wd and string.find(st.wd, OP, 1, true)
end

-- grow lets this step fail on a full Redis. All others may take the little that they
-- need, because most of them free more: once a script has written anything, Redis lets it
-- finish.
local GROWS = false
local function grow() GROWS = true end
local function write()
  if not GROWS then redis.call('DEL', KEYS[2]) end
end

-- where returns the session's place. held returns whether it is there under that id, and
-- no Move is under way.
local function where(st) return st.e .. '.' .. string.format('%.0f', st.mg) end
local function held(st, id, v) return st.i == id and where(st) == v and not st.mv and not st.rv end
local function member(st) return st.e .. ':' .. (st.k or st.i) end

local function top(st) return st.f + st.c - 1 end
local function linked(st)
  for _, r in ipairs(st.r) do if #r.c > 0 then return true end end
  return false
end

