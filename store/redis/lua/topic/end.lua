-- End (T12). What the log retains stays for its readers, and leaves with its age.
use(ARGV[6], ARGV[7])
local h = head()
if not h then return { 'notfound', int(NOW) } end
if h.ended ~= 0 and string.sub(redis.call('GET', of('z') .. ':' .. int(h.endedlog)) or '', 1, 16) == OP then
  return { 'ok', int(NOW), '', int(h.endedlog) } -- it comes again
end
if h.epoch == 0 then return { 'notfound', int(NOW) } end

needsLittle()
redis.call('DEL', of('m'), of('e'), of('n'))
redis.call('SET', of('z') .. ':' .. int(h.log), OP .. packed(h), 'PX', MS + GRACE)
h.ended, h.endedlog, h.epoch, h.members = h.epoch, h.log, 0, 0
save(h)
local last = #h.tags >= 8 and string.sub(h.tags, -8) or string.rep('\0', 8)
local frame = struct.pack('>I4I8c8I4', h.ended, h.top, last, h.endedlog)
publish('e' .. frame)
return { 'ok', int(NOW), frame, int(h.endedlog) }
