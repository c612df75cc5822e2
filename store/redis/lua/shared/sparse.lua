-- Messages with Key or TTL (M1, M3). From the first one on, until it is empty, a log is
-- sparse: st.sp is set, entries may leave before older ones, and the numbers of those
-- that remain are not consecutive. Of what has left in this way nothing remains, so that
-- a million updates of one key take the room of one. Other logs stay lists, to which
-- push.lua appends; appends to a sparse log take append.lua (COLD). A sparse log has
--   :m    a sorted set: the entries by their numbers, which also precede them (6 bytes)
--   :k    a hash: event, key and reader -> the number of the latest entry about that
--   :u    a sorted set: the numbers of entries with TTL by when that is over
-- and in the state
--   c     how many numbers there are, as in every log: top - f + 1
--   sp.n  how many entries there are; y is their bytes
--   sp.u  when the next TTL is over, or earlier; nil if there is none
--   sp.g  the numbers and tags of the last entries that left before older ones, because
--         a client may present their positions
local LAST = 64 -- how many these are

-- An entry with Key or TTL ends with its key, the key's length (2), when it was sent (6),
-- and when its TTL is over (6; 0 is never). Go sends 0 for now, and the TTL in ms.
local TRAILER = '>I2I6I6'
function sparse.about(el)
  local len, sent, ends = struct.unpack(TRAILER, el, #el - 13)
  return string.sub(el, #el - 13 - len, #el - 14), sent, ends
end
local function timed(el, sent, ends) return string.sub(el, 1, #el - 12) .. struct.pack('>I6I6', sent, ends) end

-- content returns what a copy of the entry in another log has, too.
function sparse.content(el) return string.sub(el, 11, special(el) and -13 or -1) end

-- expired returns whether the TTL of an entry is over.
function sparse.expired(el)
  if not special(el) then return false end
  local _, _, ends = sparse.about(el)
  return ends > 0 and ends <= NOW
end

-- subject returns what a message with Key is about.
local function subject(el, key)
  local a, b = string.byte(el, 12, 13)
  local reader = readerlen(el)
  local event = string.sub(el, HEAD + reader + 1, HEAD + reader + a * 256 + b)
  return event .. '\255' .. key .. '\255' .. string.sub(el, HEAD + 1, HEAD + reader)
end

local function keysof(st) return K .. ':k:' .. st.e, K .. ':u:' .. st.e end
local function numbered(seq, el) return struct.pack('>I6', seq) .. el end
sparse.numbered = numbered

-- find returns the entry of that number. after returns the first one after it.
function sparse.find(st, seq)
  local v = redis.call('ZRANGEBYSCORE', M, seq, seq)[1]
  return v and string.sub(v, 7)
end
function sparse.after(st, seq)
  local v = redis.call('ZRANGEBYSCORE', M, math.max(seq + 1, st.f), '+inf', 'LIMIT', 0, 1)[1]
  if v then return string.sub(v, 7), (struct.unpack('>I6', v)) end
end

-- lacks returns whether a reader that has everything up to seq lacks an entry up to last,
-- or has to be told of a gap.
function sparse.lacks(st, seq, last)
  if seq >= last or not st.sp or seq + 1 < st.f then return seq < last end
  local _, next = sparse.after(st, seq)
  return next ~= nil and next <= last
end

-- tagof returns the tag of a number, in hex, while it is known.
function sparse.tagof(st, seq)
  local el = sparse.find(st, seq)
  if el then return hex(string.sub(el, 1, 4)) end
  local g = st.sp.g or {}
  for i = 1, #g, 2 do if g[i] == seq then return string.format('%08x', g[i + 1]) end end
  return ''
end

-- removed returns the number of the entry with that tag, if it left before older ones, and
-- the number is between from and to.
function sparse.removed(st, tag, from, to)
  local g, n = st.sp.g or {}, (struct.unpack('>I4', tag))
  for i = 1, #g, 2 do
    if g[i + 1] == n and from <= g[i] and g[i] <= to then return g[i] end
  end
end

-- makesparse makes the log sparse.
local function makesparse(st)
  local els, listed = redis.call('LRANGE', M, drop, -1), redis.call('EXISTS', M) == 1
  if #els ~= st.c then -- Redis has not kept them all
    lost(st)
    els = {}
  end
  st.sp = { n = #els }
  if listed then
    save(st, true) -- first, because it is refused if Redis is full
    redis.call('DEL', M)
  end
  for i, el in ipairs(els) do redis.call('ZADD', M, st.f + i - 1, numbered(st.f + i - 1, el)) end
end

-- makelist makes the log an ordinary one again. It is empty.
local function makelist(st)
  write()
  redis.call('DEL', M, keysof(st))
  st.sp = nil
end

local function remove(st, seq, el)
  local k, t = keysof(st)
  redis.call('ZREMRANGEBYSCORE', M, seq, seq)
  st.sp.n, st.y = st.sp.n - 1, st.y - size(el)
  if not special(el) then return end
  local key, _, ends = sparse.about(el)
  if key ~= '' then
    local about = subject(el, key)
    if tonumber(redis.call('HGET', k, about)) == seq then redis.call('HDEL', k, about) end
  end
  if ends > 0 then redis.call('ZREM', t, seq) end
end

-- supersede removes an entry that readers pass over from now on.
local function supersede(st, seq, el)
  remove(st, seq, el)
  local g = st.sp.g or {}
  if #g >= 2 * LAST then
    table.remove(g, 1)
    table.remove(g, 1)
  end
  g[#g + 1], g[#g + 2] = seq, (struct.unpack('>I4', el))
  st.sp.g = g
  narrow(st, addressee(el))
end

-- leave removes the entries up to seq in their turn; those above sure only if they are
-- older than the retention.
function sparse.leave(st, seq, sure)
  local before, last, changed = NOW - st.b[4], top(st), false
  write()
  entries(st, st.f, seq, function(at, el)
    if at > sure and stamp(el) > before then return true end
    changed = true
    miss(st, at, addressee(el))
    remove(st, at, el)
    st.f, st.c, st.g = at + 1, last - at, string.sub(el, 1, 4)
  end)
  return changed
end

-- tidy is leave for what nobody needs.
function sparse.tidy(st, seq, sure)
  local changed = sparse.leave(st, seq, sure)
  if st.c == 0 then
    makelist(st)
    changed = true
  end
  return changed
end

-- roomfor returns whether there is room for an entry of that size, and the last entry
-- that has to leave for it, or 0. The entry old, nil for none, is superseded by it.
local function roomfor(st, need, old, el)
  local b, count, bytes, last = st.b, st.sp.n, st.y + need, 0
  if old then count, bytes = count - 1, bytes - size(el) end
  local function fits() return count < b[1] and bytes <= b[2] end
  if not fits() then
    entries(st, st.f, top(st), function(at, is)
      if at ~= old then count, bytes, last = count - 1, bytes - size(is), at end
      return fits()
    end)
  end
  return fits() and (last == 0 or may(st, last)), last
end

-- complete writes into an entry from Go when it was sent, and when its TTL is over. If it
-- is sent now, and Redis's clock was set back, it is as old as the last one about the
-- same: it must not be outdated.
function sparse.complete(st, el)
  local key, sent, ttl = sparse.about(el)
  if sent == 0 then
    sent = NOW
    local old = key ~= '' and st.sp and redis.call('HGET', (keysof(st)), subject(el, key))
    local was = old and sparse.find(st, tonumber(old))
    if was then
      local _, at = sparse.about(was)
      sent = math.max(sent, at)
    end
  end
  return timed(el, sent, ttl > 0 and sent + ttl or 0), sent
end

-- put appends an entry. It returns its number; or why not: 'full', or 'outdated' if there
-- is a message about the same that was sent later.
function sparse.put(st, el)
  local key, sent, ends = '', 0, 0
  if special(el) then key, sent, ends = sparse.about(el) end
  if not st.sp then makesparse(st) end
  local k, t = keysof(st)

  local old, was
  if key ~= '' then
    old = tonumber(redis.call('HGET', k, subject(el, key)) or nil)
    was = old and sparse.find(st, old)
    if not was then old = nil end
    local _, at = 0, 0
    if was then _, at = sparse.about(was) end
    if at > sent then return nil, 'outdated' end
  end
  local fits, last = roomfor(st, size(el), old, was)
  if not fits then return nil, 'full' end
  if old then supersede(st, old, was) end
  if last > 0 then sparse.leave(st, last, last) end

  local seq = top(st) + 1
  redis.call('ZADD', M, seq, numbered(seq, stamped(el)))
  st.c, st.y, st.t, st.sp.n = st.c + 1, st.y + size(el), string.sub(el, 1, 4), st.sp.n + 1
  if key ~= '' then redis.call('HSET', k, subject(el, key), seq) end
  if ends > 0 then
    redis.call('ZADD', t, ends, seq)
    st.sp.u = math.min(st.sp.u or ends, ends)
  end
  sparse.keep(st)
  return seq
end

-- keep lets the keys of the log live as long as its state.
function sparse.keep(st)
  local k, t = keysof(st)
  for _, key in ipairs({ M, k, t }) do redis.call('PEXPIRE', key, math.max(LEASE, st.b[4]) + KEEP) end
end

-- refresh removes the entries whose TTL is over, and checks whether Redis has kept the
-- others. Every step does it before it looks at the entries.
function sparse.refresh(st)
  if redis.call('ZCARD', M) ~= st.sp.n then
    makelist(st)
    lost(st)
    return save(st, false)
  end
  if not st.sp.u or st.sp.u > NOW then return end
  local _, t = keysof(st)
  write()
  for _, v in ipairs(redis.call('ZRANGEBYSCORE', t, '-inf', NOW)) do
    local seq = tonumber(v)
    local el = sparse.find(st, seq)
    if el then supersede(st, seq, el) end
  end
  st.sp.u = tonumber(redis.call('ZRANGE', t, 0, 0, 'WITHSCORES')[2] or nil)
  save(st, false)
end

-- claim moves the entries above the mark, and those for one reader alone that it did not
-- acknowledge, to another key, where they are listed with their numbers.
function sparse.claim(st, to, life)
  local lacks, all = {}, {}
  unread(st, function(seq) lacks[seq] = true end)
  entries(st, st.f, top(st), function(seq, el)
    if seq > st.m or lacks[seq] then all[#all + 1] = numbered(seq, el) end
  end)
  makelist(st)
  for _, v in ipairs(all) do redis.call('RPUSH', to, v) end
  redis.call('PEXPIRE', to, life)
end
