-- What every script begins with. A script is one step: it reads the session's state, changes it here, and writes it back once.
--
-- KEYS[1] is the base of all keys of a shard; it carries the hash tag, so that what is derived from it lies in one slot.
--   of the ids that hash to this shard (times are microseconds):
--   :i             hash, id -> the place of its session: the epoch, a dot, and how often it has moved
--   :r:<id>        when the id was revoked, for as long as older values are refused        (I11, I13)
--   :f:<id>        its fence: until when the id that was moved is unsettled; kept for a minute longer      (I14)
--   :a:<id>        its way: where one client may still find the session, by which token                     (I6)
--   :o:<id>        the token of the ways that lead to the id. A way counts while its token is the one
--                  that stands here; without it, all of them have ended, however many they were
--   :p:<id>        the epoch of a session that is on its way to the id, for whoever asks for that
--   :e:<op>        how often an end was asked for, for a minute, if more than once
--   of the logs whose epochs end in this shard's number:
--   :boot          the upper half of every epoch made here; lost together with the data                          (D1, D2 restarted)
--   :x             sorted set, <epoch>:<id> -> when the session has to be looked at; the id is the one it was
--                  made under, so that one member stands for it all its life                        (D6, I16)
--   :s:<epoch>     the state: ten digits that change with all that a link must see, and the rest packed; or X and a tombstone
--   :m:<epoch>     list, the entries, oldest first
--   :w:<epoch>     channel, the wake-ups
--   :z: :y:<op>    what an operation ended or left, should its caller have to ask again
--   :q:<node>      the last question of that node for what has expired
-- A session begins in the shard of its id, so that all of it is in one slot. Only after a Move its id may be elsewhere: see move.lua.
--
-- Neither KEYS[1] nor KEYS[2] ever exists. Two keys that are missing let Redis answer TRYAGAIN while the slot migrates; for a script of one key it
-- would run where half of the data is.
--
-- ARGV: the operation's number, how often it was asked before, the node, PUBLISH or SPUBLISH, the lease in ms; then the script's own.
local K, OP, AGAIN, ME, PUB, LEASE = KEYS[1], ARGV[1], ARGV[2] ~= '0', ARGV[3], ARGV[4], tonumber(ARGV[5])
local clock = redis.call('TIME')
local US = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local NOW = math.floor(US / 1000)
local HEAD, OVERHEAD, REMEMBERED = 15, 96, 128
local LINGERING = 32 -- ended links beyond as many as may live, until their owners detach them
local KEEP = 3600000 -- a tombstone's life, and how much longer than a session its keys live should nobody claim it
local SOON = 5000 -- after so long, somebody else finishes what was begun in several steps
local LONG = 30000 -- a departure that was not told of for so long never is by the node that saw it

-- The state and what is like it, in binary: half as much CPU and memory as JSON, which is left to servers that lack it (miniredis).
local codec = rawget(_G, 'cmsgpack')
local pack, unpack = codec and codec.pack or cjson.encode, codec and codec.unpack or cjson.decode

-- hex is a tag, four bytes, in text.
local function hex(s)
  if #s < 4 then return '' end
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
local function size(el) return #el - HEAD - readerlen(el) + OVERHEAD end

local S, M -- the keys of the session that is being worked on
local drop = 0 -- how many entries have left in this step; they leave the list when the state is written

local function use(epoch) S, M, drop = K .. ':s:' .. epoch, K .. ':m:' .. epoch, 0 end

-- raw returns the state, or the tombstone.
local function raw(epoch)
  use(epoch)
  local s = redis.call('GET', S)
  if not s then return nil end
  if string.sub(s, 1, 1) == 'X' then return nil, unpack(string.sub(s, 2)) end
  return unpack(string.sub(s, 11))
end
-- load returns the state for a step of a handle: ARGV[6] is its place, or the epoch alone for what
-- counts under whatever id. A handle from before a Move is refused before anything else (I12).
-- The state comes third where the session lives, and yet refuses.
local function load()
  local place = ARGV[6]
  local st, tomb = raw(string.sub(place, 1, 16))
  if #place > 17 and (st or tomb) and tonumber(string.sub(place, 18)) ~= (st or tomb).mg then return nil, 'moved', st end
  if not st then return nil, tomb and tomb.w or 'lost' end -- by Redis: what ends has a tombstone, for as long as anybody is on it
  if st.rv then return nil, 'revoked' end -- it is about to be ended
  if st.fz then return nil, 'moved', st end -- on its way into another session
  return st
end

-- refused is why what a request asks does not count in the log (I13, I14); '' is not given.
local function refused(st, signed, came)
  if signed ~= '' and tonumber(signed) <= (st.ba or 0) then return 'revoked' end
  if came ~= '' and tonumber(came) < (st.si or 0) then return 'moved' end
end

-- outdated is why what comes by a link of that number does not count (I7, I12). 0 is the
-- application's own word.
local function outdated(st, number)
  if number == 0 then return end
  if number <= st.fn or number > st.n then return 'notfound' end
  if number <= (st.rn or 0) then return 'renewed' end
end

-- undone is whether this step comes after its caller has given it up (undo.lua).
local function undone(st)
  if st.wd and NOW - st.wt > 60000 then st.wd, st.wt = nil, nil end
  return st.wd and string.find(st.wd, OP, 1, true)
end

-- grow lets this step fail on a full Redis. Every other one may take the little that it needs, because most of them free more: once a
-- script has written anything, Redis lets it finish.
local GROWS = false
local function grow() GROWS = true end
local function write()
  if not GROWS then redis.call('DEL', KEYS[2]) end
end

-- where is the session's place. held is whether it is there under that id, and no Move is under way.
local function where(st) return st.e .. '.' .. string.format('%.0f', st.mg) end
local function held(st, id, v) return st.i == id and where(st) == v and not st.mv and not st.rv end
local function member(st) return st.e .. ':' .. (st.k or st.i) end

local function top(st) return st.f + st.c - 1 end
local function linked(st)
  for _, r in ipairs(st.r) do if #r.c > 0 then return true end end
  return false
end

-- A link is given up when it was silent for the lease, and still is half a lease after
-- its node was asked (expire.lua). Without that, a jump of Redis's clock, or a pause of
-- Redis itself, would end the links of nodes that are well. silence is when that is, or
-- when to ask.
local function silence(k)
  if k.q and k.q > k.r then return math.max(k.r + LEASE, k.q + LEASE / 2), true end
  return k.r + LEASE / 2, false
end

-- due is when the session has to be looked at (D6): the retention after it was left, when
-- a link has been silent, when a departure is to be told that nobody told of (D7), when a
-- Move should long be over, or at once if one ended the session.
local function due(st)
  if st.rv then return NOW end
  local at
  local function by(t) if not at or t < at then at = t end end
  for _, r in ipairs(st.r) do
    for _, k in ipairs(r.c) do by((silence(k))) end
    if #r.c == 0 and r.h then by(r.v == true and r.g or r.g + LONG) end
  end
  if not linked(st) then by(st.z + st.b[4]) end
  if st.mv then by(st.mv.t + SOON) end
  return at
end

-- wake is a hint: where channels are forbidden the step goes on, and the next look at the log finds what it did.
local function wake(st, by) redis.pcall(PUB, K .. ':w:' .. st.e, by or ME) end

-- save wakes the other nodes if stir is true, and all of them if it is ''. It writes the
-- state first: where Redis has no memory left, that is refused before anything has
-- changed.
local function save(st, stir)
  if stir then st.v = (st.v + 1) % 1e9 end
  if linked(st) then st.z = 0 elseif st.z == 0 then st.z = NOW end
  local at = due(st)
  local moved = at < st.u or at > st.u + (st.z == 0 and LEASE / 8 or 0)
  if moved then st.u = at end
  local life = math.max(LEASE, st.b[4]) + KEEP
  write()
  local packed = string.format('%010d', st.v) .. pack(st)
  if st.mg > 0 then -- the directory that names it may be in another shard: it must not go by itself
    redis.call('SET', S, packed)
  else
    redis.call('SET', S, packed, 'PX', life)
  end
  if drop > 0 then
    redis.call('LTRIM', M, drop, -1)
    drop = 0
  end
  if moved then
    redis.call('ZADD', K .. ':x', string.format('%.0f', at), member(st))
    redis.call('PEXPIRE', M, life)
  end
  if stir then wake(st, stir ~= true and stir) end
end

local function index(st, seq) return seq - st.f + drop end
local function entry(st, seq) return redis.call('LINDEX', M, string.format('%.0f', index(st, seq))) end

-- tag is that of the position after seq, in four bytes; '' where there is none or it is not known any more.
local function tag(st, seq)
  if seq == st.f - 1 then return st.g end
  if seq < st.f or seq > top(st) then return '' end
  return hex(string.sub(entry(st, seq) or '', 1, 4))
end
local function diverged(st, seq, given)
  local is = given ~= '' and tag(st, seq) or ''
  return is ~= '' and is ~= given
end

-- beyond is what a position above the top gets: one with a tag was probably given out, and Redis has lost it. Its client opens a new link, whose
-- hello says so; at 'ahead' it would stop.
local function beyond(tag) return tag ~= '' and 'notfound' or 'ahead' end

local function reader(st, name)
  for i, r in ipairs(st.r) do if r.n == name then return r, i end end
end
local function link(r, number)
  for i, k in ipairs(r.c) do if k.n == number then return k, i end end
end
local function accepted(st, name)
  for _, w in ipairs(st.w) do if w.n == name then return w.l end end
  return '0'
end

-- What is for one reader alone is never lost in silence: if its reader is forgotten
-- before it has it, some link's Read tells so, and until then the entries stay for the
-- end, unless the log needs their room. st.to is the last such entry, st.un what is to be
-- told: n and p are the reader, f and t the first of these entries and the last, u when
-- it may be told.
local function addressee(el)
  local n = readerlen(el)
  return n > 0 and string.sub(el, HEAD + 1, HEAD + n)
end
local function has(r) return r.p and math.max(r.a, r.s) or r.a end
local function extend(lost, seq) lost.f, lost.t = math.min(lost.f or seq, seq), math.max(lost.t or seq, seq) end

-- alone calls f with the seq, the reader and the whole of each entry from seq on that is
-- for one reader alone.
local function alone(st, seq, f)
  if not st.to then return end
  local last = math.min(st.to, top(st))
  for at = math.max(seq, st.f), last, 64 do
    local i = index(st, at)
    for n, el in ipairs(redis.call('LRANGE', M, i, i + math.min(64, last - at + 1) - 1)) do
      local name = addressee(el)
      if name then f(at + n - 1, name, el) end
    end
  end
end

-- giveup notes what the reader, which is being forgotten, did not get.
local function giveup(st, r)
  local lost = { n = r.n, p = r.p, f = r.mf, t = r.mt, u = 0 }
  alone(st, has(r) + 1, function(seq, name) if name == r.n then extend(lost, seq) end end)
  if not lost.f then return end
  st.un = st.un or {}
  st.un[#st.un + 1] = lost
end

-- expect notes that an entry came for a reader that this log may not have met yet.
local function expect(st, name, seq)
  if not name then return end
  st.to = seq
  if reader(st, name) then return end
  st.un = st.un or {}
  for _, u in ipairs(st.un) do
    if u.n == name and u.u > 0 then return extend(u, seq) end
  end
  st.un[#st.un + 1] = { n = name, f = seq, t = seq, u = NOW + st.b[4] }
end

-- unread calls f with the seq and the whole of what is for one reader alone, which did
-- not acknowledge it, though others acknowledged what is above it.
local function unread(st, f)
  alone(st, 1, function(seq, name, el)
    local r = reader(st, name)
    local lacks = r and r.a < seq
    for _, u in ipairs(st.un or {}) do lacks = lacks or u.n == name and u.f <= seq and seq <= u.t end
    if seq <= st.m and lacks then f(seq, el) end
  end)
end

-- depart notes that the reader has lost its last link.
local function depart(st, r, at)
  st.d = st.d + 1
  r.l, r.g = st.d, at
end

-- prune drops the oldest of the links that have ended if there are too many whose owners
-- have not detached them: owners that are there find out by Read, and do so at once.
local function prune(st)
  local ended = {}
  for _, r in ipairs(st.r) do
    for _, k in ipairs(r.c) do
      if k.e ~= '' then ended[#ended + 1] = k end
    end
  end
  local over = #ended - st.b[5] - LINGERING
  if over <= 0 then return end
  table.sort(ended, function(a, b) return a.n < b.n end)
  local last = ended[over].n
  for _, r in ipairs(st.r) do
    local keep = {}
    for _, k in ipairs(r.c) do
      if k.e == '' or k.n > last then keep[#keep + 1] = k end
    end
    if #keep < #r.c then
      r.c = keep
      if #keep == 0 then
        depart(st, r, NOW)
        r.v = 'pruned' -- its owner is probably there
      end
    end
  end
end

-- forget drops the links whose node is silent, the readers that have been away for the retention, and of too many those that left first (D5).
local function forget(st)
  local was, keep, away, changed = linked(st), {}, {}, false
  for _, r in ipairs(st.r) do
    local live, last = {}, 0
    for _, k in ipairs(r.c) do
      local at, asked = silence(k)
      if asked and at <= NOW then last = math.max(last, at) else live[#live + 1] = k end
    end
    if #live < #r.c then
      r.c, changed = live, true
      if #live == 0 then
        depart(st, r, last)
        r.v = true
      end
    end
    if #r.c > 0 or r.g > NOW - st.b[4] then
      keep[#keep + 1] = r
      if #r.c == 0 then away[#away + 1] = r end
    else
      changed = true
      giveup(st, r)
    end
  end
  if #away > st.b[6] then
    table.sort(away, function(a, b) return a.l < b.l end)
    local gone = {}
    for i = 1, #away - st.b[6] do
      gone[away[i].n] = true
      giveup(st, away[i])
    end
    local rest = {}
    for _, r in ipairs(keep) do if not gone[r.n] then rest[#rest + 1] = r end end
    keep, changed = rest, true
  end
  st.r = keep
  if was and not linked(st) then
    for _, r in ipairs(st.r) do st.z = math.max(st.z, r.g) end
    if st.z == 0 then st.z = NOW end
  end
  return changed
end

-- stalled is whether a reader that has passed seq has had the next entry before it, and
-- taken nothing, for as long as b[9].
local function stalled(st, r, seq)
  local patience = st.b[9] or 0
  if patience == 0 or seq >= top(st) then return false end
  local el = entry(st, math.max(seq + 1, st.f))
  local since = math.max(r.tk or 0, el and stamp(el) or NOW)
  for _, k in ipairs(r.c) do
    if k.e == '' then since = math.max(since, k.h) end
  end
  return since <= NOW - patience
end

-- passed is the highest entry that may leave (D5's order). level: 0 asks nothing of plain
-- readers, 1 what they were sent, 2 and all that only readers without a link have not
-- passed, 3 and all that only these and stalled ones have not passed.
local function passed(st, level)
  local low
  for _, r in ipairs(st.r) do
    local at = r.a
    if r.p and level > 0 then at = math.max(at, r.s) end
    local yields = level >= 2 and #r.c == 0 or level == 3 and stalled(st, r, at)
    if not yields then low = low and math.min(low, at) or at end
  end
  if level == 3 and not low then return 0 end -- nobody is live
  return math.min(low or st.m, top(st))
end

-- lost makes a gap of entries that Redis has not kept (an evicted or deleted list): said, not skipped (D3).
local function lost(st) st.f, st.c, st.y, st.g = top(st) + 1, 0, 0, '' end

-- shed lets entries up to seq leave, of those above sure only what is older than the retention.
local function shed(st, seq, sure)
  local before = NOW - st.b[4]
  local changed = false
  while st.c > 0 and st.f <= seq do
    local n = math.min(64, seq - st.f + 1)
    local els = redis.call('LRANGE', M, drop, drop + n - 1)
    if #els == 0 then lost(st) return true end
    for _, el in ipairs(els) do
      if st.f > sure and stamp(el) > before then return changed end
      changed = true
      local name = addressee(el)
      local r = name and reader(st, name)
      if r and has(r) < st.f then r.mf, r.mt = r.mf or st.f, st.f end
      drop = drop + 1
      st.f, st.c, st.y = st.f + 1, st.c - 1, st.y - size(el)
      st.g = hex(string.sub(el, 1, 4))
      -- What left is remembered for a while, in case its append is asked again.
      if NOW - st.oa > 10000 then st.o = '' end
      st.o, st.oa = string.sub(st.o .. st.g, -8 * REMEMBERED), NOW
    end
  end
  return changed
end
local function tidy(st)
  local told = top(st) -- what is to be told stays
  for _, u in ipairs(st.un or {}) do told = math.min(told, u.f - 1) end
  local changed = shed(st, math.min(told, passed(st, 1)), math.min(told, passed(st, 0)))
  if st.o ~= '' and NOW - st.oa > 10000 then st.o, changed = '', true end
  return changed
end

-- room makes room for an entry of that size and tells whether it could; if not, nothing has left (D5).
local function room(st, need)
  local b, freed = st.b, 0
  if need > b[2] or b[1] < 1 then return false end
  if st.c < b[1] and st.y + need <= b[2] then return true end
  local n = 0
  while st.c - n >= b[1] or st.y - freed + need > b[2] do
    local el = entry(st, st.f + n)
    if not el then lost(st) return true end
    freed = freed + size(el)
    n = n + 1
  end
  local last = st.f + n - 1
  forget(st)
  if b[3] == 1 or last <= passed(st, 1) or linked(st) and last <= passed(st, 2) or last <= passed(st, 3) then
    shed(st, last, last)
    return true
  end
  return false
end

-- acknowledge notes that the reader has everything up to seq (the mark).
local function acknowledge(st, r, seq)
  r.a, st.m = math.max(r.a, seq), math.max(st.m, seq)
  tidy(st)
end

-- speak notes a sign of the client on a link; the first on a link ends the older ones of its reader (D7).
local function speak(st, r, k)
  k.h, k.r = NOW, NOW
  if k.n <= r.k then return false end
  r.k = k.n
  local older = false
  for _, o in ipairs(r.c) do
    if o.n < k.n and o.e == '' then o.e, older = 'superseded', true end
  end
  return older
end

-- grave returns what an operation claimed, as long as it is remembered.
local function grave(op)
  local s = redis.call('GET', K .. ':z:' .. op)
  if not s then return nil end
  local g = unpack(s)
  if g.l then return { 'left', g.i, g.e, g.l } end
  local Y, below = K .. ':y:' .. op, {}
  for i, n in ipairs(g.b or {}) do below[i] = i % 2 == 1 and string.format('%.0f', n) or redis.call('LINDEX', Y, n) end
  return { 'ok', g.i, g.e, g.f, redis.call('LRANGE', Y, g.n, -1), g.h, g.d, below }
end

-- finish ends a session and hands over what is above the mark (D6). why stays for those who still hold the log; what it has absorbed stays for
-- those who might bring it again; and while the directory names it in another shard, it stays in the index.
local function finish(st, why, op, here, life)
  write()
  local from, d = math.max(st.m + 1, st.f)
  if st.fr == 1 then
    d = { st.i, where(st) }
  elseif redis.call('HGET', K .. ':i', st.i) == where(st) then
    redis.call('HDEL', K .. ':i', st.i)
  end
  local below = {} -- of what is below the mark, and yet to be handed over, the seq and where it is
  unread(st, function(seq) below[#below + 1], below[#below + 2] = seq, index(st, seq) end)
  local g = { i = st.i, e = st.e, f = from, n = index(st, from), h = here and 1 or 0, d = d and 1 or 0, b = below }
  redis.call('SET', K .. ':z:' .. op, pack(g), 'PX', life)
  if redis.call('EXISTS', M) == 1 then
    redis.call('RENAME', M, K .. ':y:' .. op)
    redis.call('PEXPIRE', K .. ':y:' .. op, life)
  end
  local tomb = { w = why == '' and 'notfound' or why, i = why ~= '' and st.i or nil, ab = st.ab, mg = st.mg, d = d, k = d and member(st) }
  redis.call('SET', S, 'X' .. pack(tomb), 'PX', why == '' and #st.ab == 0 and not d and LEASE or LEASE + KEEP)
  if d then
    redis.call('ZADD', K .. ':x', string.format('%.0f', NOW + SOON), member(st))
  else
    redis.call('ZREM', K .. ':x', member(st))
  end
  wake(st)
  return grave(op)
end
