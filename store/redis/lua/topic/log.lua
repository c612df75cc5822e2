-- What a log retains. The rules are those of package topiclog, to the letter: replicas
-- follow them by themselves.
--
-- A value in the stream is: time, expiry, size, number of the first piece (0 for a whole
-- message), tag; then the body. The body of a message is: flags 1, TTL 8, length of event
-- 2, of key 2; event, key, data. The body of a message with pieces is that of the last.
--
-- In the hash, a message that does not grow is 's' (whole) or 'g', then its number, size,
-- expiry and first piece. One that still grows is 'o', then its first and last number,
-- time, expiry, length of the text, of the last piece, and how many ends of pieces there
-- are; then the tag, and the last body without its data.
local VALUE, DONE, OPEN = '>I8I8I8I8c8', '>I8I8I8I8', '>I8I8I8I8I8I8I8c8'
local OVERHEAD, BODY, PIECE, PIECES, BLOCK = 96, 13, 16, 1024, 65536
local h, L, KEYED, GROWING, DUE -- the head of the log that is worked on, and its keys

local function uselog(head)
  h = head
  local log = ':' .. int(h.log)
  L, KEYED, GROWING, DUE = of('l') .. log, of('k') .. log, of('o') .. log, of('d') .. log
end
local function text(first) return of('g') .. ':' .. int(h.log) .. ':' .. int(first) end
local function ends(first) return of('p') .. ':' .. int(h.log) .. ':' .. int(first) end

local function opened(rec)
  local o = {}
  o.first, o.seq, o.at, o.due, o.len, o.last, o.n, o.tag, o.body = struct.unpack(OPEN, rec, 2)
  o.body = string.sub(rec, o.body)
  return o
end

-- sizeof returns the size of a message with pieces, by its body without data.
local function sizeof(o) return OVERHEAD + #o.body - BODY + o.len + PIECE * o.n end

-- gone counts a message out that has left.
local function gone(field, size, first)
  h.count, h.bytes = h.count - 1, h.bytes - size
  if field ~= '' then redis.call('HDEL', KEYED, field) end
  if first > 0 then redis.call('DEL', text(first), ends(first)) end
end

-- remove removes a message that does not grow.
local function remove(seq, field, due, size, first)
  redis.call('XDEL', L, int(seq) .. '-0')
  if due > 0 then redis.call('ZREM', DUE, int(seq)) end
  gone(field, size, first)
end

-- close removes a message that still grows.
local function close(field, o)
  redis.call('ZREM', GROWING, field)
  if o.due > 0 then redis.call('ZREM', DUE, 'k' .. field) end
  gone(field, sizeof(o), o.first)
end

local function supersede(field, rec)
  if string.sub(rec, 1, 1) == 'o' then return close(field, opened(rec)) end
  local seq, size, due, first = struct.unpack(DONE, rec, 2)
  remove(seq, field, due, size, first)
end

-- entry returns what stands first in an answer of XRANGE.
local function entry(found)
  local e = found[1]
  if not e then return end
  local at, due, size, first = struct.unpack(VALUE, e[2][2])
  return { seq = tonumber(string.sub(e[1], 1, -3)), at = at, due = due, size = size, first = first, field = e[2][1] }
end

local function oldest() return entry(redis.call('XRANGE', L, '-', '+', 'COUNT', 1)) end
local function oldestOpen()
  local field = redis.call('ZRANGE', GROWING, 0, 0)[1]
  if field then return field, opened(redis.call('HGET', KEYED, field)) end
end

local function evict(e)
  remove(e.seq, e.field, e.due, e.size, e.first)
  h.base = math.max(h.base, e.seq)
end
local function evictOpen(field, o)
  close(field, o)
  h.base = math.max(h.base, o.seq)
end

-- evictOldest evicts the oldest message but the last. One that grows leaves only if there
-- is no other.
local function evictOldest()
  local e = oldest()
  if e and e.seq ~= h.top then
    evict(e)
    return true
  end
  local field, o = oldestOpen()
  if field and o.seq ~= h.top then
    evictOpen(field, o)
    return true
  end
end

-- recount counts what is there. What is missing was older than all of it.
local function recount()
  local count, bytes, first = 0, 0, h.top + 1
  for _, e in ipairs(redis.call('XRANGE', L, '-', '+')) do
    local one = entry({ e })
    count, bytes, first = count + 1, bytes + one.size, math.min(first, one.seq)
  end
  for _, field in ipairs(redis.call('ZRANGE', GROWING, 0, -1)) do
    local o = opened(redis.call('HGET', KEYED, field))
    count, bytes, first = count + 1, bytes + sizeof(o), math.min(first, o.seq)
  end
  if count ~= h.count then h.count, h.bytes, h.base = count, bytes, math.max(h.base, first - 1) end
end

-- expire removes what has expired, and what is too old. It returns whether there was any.
local function expire(now)
  local changed = false
  if h.due ~= 0 and h.due <= now then
    changed = true
    for _, m in ipairs(redis.call('ZRANGEBYSCORE', DUE, '-inf', int(now))) do
      if string.sub(m, 1, 1) == 'k' then
        local field = string.sub(m, 2)
        close(field, opened(redis.call('HGET', KEYED, field)))
      else
        local e = entry(redis.call('XRANGE', L, m .. '-0', m .. '-0'))
        remove(e.seq, e.field, e.due, e.size, e.first)
      end
    end
    h.due = tonumber(redis.call('ZRANGE', DUE, 0, 0, 'WITHSCORES')[2] or 0)
  end

  local before = now - AGE
  if h.old < before then
    changed = true
    local late = now - h.old >= AGE + GRACE * 500 -- Redis may have removed keys by itself
    h.old = now
    while true do
      local e = oldest()
      if not e then break end
      if e.at >= before then
        h.old = math.min(h.old, e.at)
        break
      end
      evict(e)
    end
    while true do
      local field, o = oldestOpen()
      if not field then break end
      if o.at >= before then
        h.old = math.min(h.old, o.at)
        break
      end
      evictOpen(field, o)
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
  local first = o and o.first or 0
  redis.call('XADD', L, int(h.top) .. '-0', field, struct.pack(VALUE, now, expires, size, first, tag) .. body)
  redis.call('PEXPIRE', L, MS + GRACE)
  if field ~= '' then
    redis.call('HSET', KEYED, field, (o and 'g' or 's') .. struct.pack(DONE, h.top, size, expires, first))
    redis.call('PEXPIRE', KEYED, MS + GRACE)
  end
  due(int(h.top), expires)
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
