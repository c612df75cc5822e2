-- What a log retains. The rules are those of package topiclog, to the letter: replicas
-- follow them by themselves.
--
-- The value of a message that does not grow is: time, expiry, size, number of the first
-- piece (0 for a whole message), tag; then the body. A body is: flags 1, TTL 8, length of
-- event 2, of key 2; event, key, data. That of a message with pieces is the last one's.
--
-- A message without a key lies in the stream. One with a key lies in the hash, where a
-- stream would keep the room of what was superseded: 's' (whole) or 'g' (with pieces), the
-- number, then the value. One that still grows is 'o', then its first and last number,
-- time, expiry, length of the text, of the last piece, and how many ends of pieces there
-- are; then the tag, and the last body without its data.
local VALUE, KEYEDVALUE, OPEN = '>I8I8I8I8c8', '>I8I8I8I8I8c8', '>I8I8I8I8I8I8I8c8'
local OVERHEAD, BODY, PIECE, PIECES, BLOCK = 96, 13, 16, 1024, 65536
local h, L, KEYED, ORDER, GROWING, DUE -- the head of the log that is worked on, and its keys

local function uselog(head)
  h = head
  local log = ':' .. int(h.log)
  L, KEYED, ORDER, GROWING, DUE = of('l') .. log, of('k') .. log, of('q') .. log, of('o') .. log, of('d') .. log
end
local function text(first) return of('g') .. ':' .. int(h.log) .. ':' .. int(first) end
local function ends(first) return of('p') .. ':' .. int(h.log) .. ':' .. int(first) end

-- sizeof returns the size of a message with pieces, by its body without data.
local function sizeof(m) return OVERHEAD + #m.body - BODY + m.len + PIECE * m.n end

-- streamed returns a message of the stream.
local function streamed(e)
  if not e then return end
  local m = { seq = tonumber(string.sub(e[1], 1, -3)) }
  m.at, m.due, m.size, m.first, m.tag = struct.unpack(VALUE, e[2][2])
  return m
end

-- keyed returns the message that has an event and key.
local function keyed(field, rec)
  if not rec then return end
  local m = { field = field, kind = string.sub(rec, 1, 1) }
  if m.kind ~= 'o' then
    m.seq, m.at, m.due, m.size, m.first, m.tag = struct.unpack(KEYEDVALUE, rec, 2)
    return m
  end
  m.first, m.seq, m.at, m.due, m.len, m.last, m.n, m.tag, m.body = struct.unpack(OPEN, rec, 2)
  m.body = string.sub(rec, m.body)
  m.size = sizeof(m)
  return m
end
local function lookup(field) return keyed(field, redis.call('HGET', KEYED, field)) end

-- remove removes a message.
local function remove(m)
  if m.field then
    redis.call('HDEL', KEYED, m.field)
    redis.call('ZREM', m.kind == 'o' and GROWING or ORDER, m.field)
  else
    redis.call('XDEL', L, int(m.seq) .. '-0')
  end
  if m.due > 0 then redis.call('ZREM', DUE, m.field and 'k' .. m.field or int(m.seq)) end
  if m.first > 0 then redis.call('DEL', text(m.first), ends(m.first)) end
  h.count, h.bytes = h.count - 1, h.bytes - m.size
end

-- evict removes a message that readers may still need.
local function evict(m)
  remove(m)
  h.base = math.max(h.base, m.seq)
end

-- oldest returns the oldest message that does not grow. oldestOpen returns the oldest of
-- those that do.
local function oldest()
  local plain = streamed(redis.call('XRANGE', L, '-', '+', 'COUNT', 1)[1])
  local first = redis.call('ZRANGE', ORDER, 0, 0, 'WITHSCORES')
  if first[1] and (not plain or tonumber(first[2]) < plain.seq) then return lookup(first[1]) end
  return plain
end
local function oldestOpen()
  local field = redis.call('ZRANGE', GROWING, 0, 0)[1]
  return field and lookup(field)
end

-- evictOldest evicts the oldest message but the last. One that grows leaves only if there
-- is no other.
local function evictOldest()
  local m = oldest()
  if not m or m.seq == h.top then m = oldestOpen() end
  if not m or m.seq == h.top then return false end
  evict(m)
  return true
end

-- recount counts what is there. What is missing was older than all of it.
local function recount()
  local count, bytes, first = 0, 0, h.top + 1
  local function add(m) count, bytes, first = count + 1, bytes + m.size, math.min(first, m.seq) end
  for _, e in ipairs(redis.call('XRANGE', L, '-', '+')) do add(streamed(e)) end
  for _, key in ipairs({ ORDER, GROWING }) do
    for _, field in ipairs(redis.call('ZRANGE', key, 0, -1)) do add(lookup(field)) end
  end
  if count ~= h.count then h.count, h.bytes, h.base = count, bytes, math.max(h.base, first - 1) end
end

-- expire removes what has expired, and what is too old. It returns whether there was any.
local function expire(now)
  local changed = false
  if h.due ~= 0 and h.due <= now then
    changed = true
    for _, name in ipairs(redis.call('ZRANGEBYSCORE', DUE, '-inf', int(now))) do
      local m
      if string.sub(name, 1, 1) == 'k' then
        m = lookup(string.sub(name, 2))
      else
        m = streamed(redis.call('XRANGE', L, name .. '-0', name .. '-0')[1])
      end
      if m then remove(m) else redis.call('ZREM', DUE, name) end -- Redis may have removed the key by itself
    end
    h.due = tonumber(redis.call('ZRANGE', DUE, 0, 0, 'WITHSCORES')[2] or 0)
  end

  local before = now - AGE
  if h.old < before then
    changed = true
    local late = now - h.old >= AGE + GRACE * 500 -- Redis may have removed keys by itself
    h.old = now
    for _, first in ipairs({ oldest, oldestOpen }) do
      local m = first()
      while m and m.at < before do
        evict(m)
        m = first()
      end
      if m then h.old = math.min(h.old, m.at) end
    end
    if late then recount() end
  end
  return changed
end

-- due notes when a message expires.
local function due(member, at)
  if at == 0 then return end
  redis.call('ZADD', DUE, int(at), member)
  redis.call('PEXPIRE', DUE, MS + GRACE)
  if h.due == 0 or at < h.due then h.due = at end
end

-- append puts a message at the end of the order. o is nil for a whole message.
local function append(now, tag, field, body, size, expires, o)
  local value = struct.pack(VALUE, now, expires, size, o and o.first or 0, tag) .. body
  if field == '' then
    redis.call('XADD', L, int(h.top) .. '-0', '', value)
    redis.call('PEXPIRE', L, MS + GRACE)
    return due(int(h.top), expires)
  end
  redis.call('HSET', KEYED, field, (o and 'g' or 's') .. struct.pack('>I8', h.top) .. value)
  redis.call('ZADD', ORDER, int(h.top), field)
  redis.call('PEXPIRE', KEYED, MS + GRACE)
  redis.call('PEXPIRE', ORDER, MS + GRACE)
  due('k' .. field, expires)
end

-- thin forgets ends of pieces, so that what is between two others is no longer than a
-- block.
local function thin(o)
  local all, half = redis.call('GET', ends(o.first)), math.floor(o.n / 2)
  local function at(i) return string.sub(all, 12 * i + 1, 12 * i + 12) end
  local function finish(i) return (struct.unpack('>I4', all, 12 * i + 9)) end
  local kept, last = { at(0) }, finish(0)
  for i = 1, half - 1 do
    if i % 2 == 0 or finish(i + 1) - last > BLOCK then
      kept[#kept + 1], last = at(i), finish(i)
    end
  end
  redis.call('SET', ends(o.first), table.concat(kept) .. string.sub(all, 12 * half + 1))
  o.n = #kept + o.n - half
end

-- grow appends a piece to o, or begins a message that grows.
local function grow(now, tag, field, body, data, expires, done, o)
  if o then
    h.bytes = h.bytes - sizeof(o)
    redis.call('ZREM', GROWING, field)
    if o.due > 0 then redis.call('ZREM', DUE, 'k' .. field) end
  else
    o = { first = h.top, len = 0, n = 0 }
    h.count = h.count + 1
  end
  o.seq, o.at, o.due, o.last, o.tag = h.top, now, expires, #data, tag
  o.len, o.n, o.body = o.len + #data, o.n + 1, string.sub(body, 1, #body - #data)

  redis.call('APPEND', text(o.first), data)
  redis.call('APPEND', ends(o.first), struct.pack('>I8I4', h.top, o.len))
  if o.n > PIECES then thin(o) end
  redis.call('PEXPIRE', text(o.first), MS + GRACE)
  redis.call('PEXPIRE', ends(o.first), MS + GRACE)

  local size = sizeof(o)
  h.bytes = h.bytes + size
  if done then return append(now, tag, field, body, size, expires, o) end
  redis.call('HSET', KEYED, field,
    'o' .. struct.pack(OPEN, o.first, o.seq, o.at, o.due, o.len, o.last, o.n, o.tag) .. o.body)
  redis.call('ZADD', GROWING, int(h.top), field)
  redis.call('PEXPIRE', KEYED, MS + GRACE)
  redis.call('PEXPIRE', GROWING, MS + GRACE)
  due('k' .. field, expires)
end
