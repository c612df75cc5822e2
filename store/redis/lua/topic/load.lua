-- Everything that a log retains, for a replica: of the epoch, or of the one that has
-- ended last, if that is wanted. The epoch begins if there is none, unless the reader is
-- in the one that has ended last.
use(ARGV[6], ARGV[7])
local epoch, knownEpoch, knownTag = tonumber(ARGV[8]), tonumber(ARGV[9]), ARGV[10]
local want, reader = tonumber(ARGV[11]), tonumber(ARGV[12])
local top = head()
local ended = ended(top)
if want ~= 0 then
  local z = ended == want and redis.call('GET', of('z') .. ':' .. int(top.endedlog))
  if not z then return { 'gone', int(NOW) } end
  top = parsed(string.sub(z, 17))
  uselog(top)
else
  if top and top.epoch == 0 and reader ~= 0 and ended == reader then
    touch(top)
    return { 'none', int(NOW), int(ended), int(top.lost) }
  end
  local new
  top, new = begun(top, epoch)
  uselog(top)
  if not new then needsLittle() end
  local changed = expire(math.max(NOW, h.at))
  if changed or new then save(h) else touch(h) end
end

if h.epoch == knownEpoch and string.sub(h.tags, -8) == knownTag then
  return { 'same', int(NOW), int(ended), int(h.lost) }
end

local entries, growing, texts = {}, {}, {}
local function add(first)
  texts[#texts + 1] = int(first)
  texts[#texts + 1] = redis.call('GET', text(first)) or ''
  texts[#texts + 1] = redis.call('GET', ends(first)) or ''
end
for _, e in ipairs(redis.call('XRANGE', L, '-', '+')) do
  entries[#entries + 1] = string.sub(e[1], 1, -3)
  entries[#entries + 1] = e[2][2]
end
for _, field in ipairs(redis.call('ZRANGE', ORDER, 0, -1)) do
  local rec = redis.call('HGET', KEYED, field)
  local m = keyed(field, rec)
  entries[#entries + 1] = int(m.seq)
  entries[#entries + 1] = string.sub(rec, 10)
  if m.first > 0 then add(m.first) end
end
for _, field in ipairs(redis.call('ZRANGE', GROWING, 0, -1)) do
  local rec = redis.call('HGET', KEYED, field)
  growing[#growing + 1] = rec
  add(keyed(field, rec).first)
end
return {
  'all', int(NOW), int(ended), int(h.lost), int(h.epoch), int(h.top), int(h.base), h.tags, entries, growing, texts,
}
