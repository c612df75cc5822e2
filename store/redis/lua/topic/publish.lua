-- Publish (T10). A publish that comes again is found by its tag: among those of the last
-- messages, or in what is retained.
use(ARGV[6], ARGV[7])
local epoch, tag, field, body, kind = tonumber(ARGV[8]), ARGV[9], ARGV[10], ARGV[11], ARGV[12]
local datalen, ttl, maxcount, maxbytes, maxgrown = tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15]),
  tonumber(ARGV[16]), tonumber(ARGV[17])
local grows, continues, done = string.find(kind, 'g'), string.find(kind, 'c'), string.find(kind, 'd')

-- found returns the number that the message got, if it was published.
local function found(tags, top)
  local i = 1
  while true do
    i = string.find(tags, tag, i, true)
    if not i then return end
    if i % 8 == 1 then return top - (#tags - i + 1) / 8 + 1 end
    i = i + 1
  end
end

-- retained looks for the message among those after a number. If it is not there, the
-- second result says whether none of them has left.
local function retained(after, top)
  local count, most = 0, 1000
  local function is(m)
    count = count + 1
    return m.tag == tag
  end
  for _, e in ipairs(redis.call('XRANGE', L, int(after + 1), '+', 'COUNT', most)) do
    local m = streamed(e)
    if is(m) then return m.seq end
  end
  for _, key in ipairs({ ORDER, GROWING }) do
    for _, field in ipairs(redis.call('ZRANGEBYSCORE', key, int(after + 1), '+inf', 'LIMIT', 0, most)) do
      local m = lookup(field)
      if is(m) then return m.seq end
    end
  end
  return nil, count == top - after
end

local was = head()
local before
if was then
  local seq = was.epoch ~= 0 and found(was.tags, was.top)
  if seq then return { 'done', int(NOW), int(was.epoch), int(seq) } end
  if AGAIN or was.epoch == 0 then
    local z = was.ended ~= 0 and redis.call('GET', of('z') .. ':' .. int(was.endedlog))
    before = z and parsed(string.sub(z, 17))
    seq = before and found(before.tags, before.top)
    if seq then return { 'done', int(NOW), int(was.ended), int(seq) } end
  end
  if AGAIN then
    -- The caller knew that the first attempt comes after this number of this epoch.
    local since, after = tonumber(ARGV[18]), tonumber(ARGV[19])
    if before and since == was.ended and before.top - after > WINDOW then return { 'unknown', int(NOW) } end
    if since ~= was.epoch then after = 0 end
    if was.epoch ~= 0 and was.top - after > WINDOW then
      uselog(was)
      local seq, sure = retained(after, was.top)
      if seq then return { 'done', int(NOW), int(was.epoch), int(seq) } end
      if not sure then return { 'unknown', int(NOW) } end
    end
  end
end

-- This changes nothing, but Redis refuses it if it has no memory: before anything changed.
redis.call('SETRANGE', H, 0, '')
local new
was, new = begun(was, epoch)
uselog(was)
local now = math.max(NOW, h.at)
local changed = expire(now) or new
local function refuse(why)
  if changed then save(h) else touch(h) end
  return { why, int(NOW) }
end

local older = field ~= '' and lookup(field)
local o
if grows then
  if older and older.kind == 'g' then return refuse('sealed') end
  if older and older.kind == 'o' then o = older end
  if not o and continues then return refuse('notfound') end
  if (o and o.len or 0) + datalen > maxgrown then return refuse('toolarge') end
end

-- Nothing is refused from here on.
if older and not o then remove(older) end
local prev = #h.tags >= 8 and string.sub(h.tags, -8) or string.rep('\0', 8)
h.top, h.at, h.tags = h.top + 1, now, string.sub(h.tags .. tag, -8 * WINDOW)
local expires = ttl > 0 and now + ttl or 0
if grows then
  grow(now, tag, field, body, string.sub(body, #body - datalen + 1), expires, done, o)
else
  local size = OVERHEAD + #body - BODY
  h.count, h.bytes = h.count + 1, h.bytes + size
  append(now, tag, field, body, size, expires)
end
while h.count > maxcount or h.bytes > maxbytes do
  if not evictOldest() then break end
end
save(h)

local frame = struct.pack('>I4c8I8c8I8I8I8I8', h.epoch, prev, h.top, tag, now, h.count, h.bytes, h.base)
publish('p' .. frame .. body)
return { 'ok', int(NOW), frame }
