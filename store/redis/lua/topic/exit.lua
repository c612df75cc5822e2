-- Exit (T8).
use(ARGV[6], ARGV[7])
local field = ARGV[8]
local h = head()
local gone = false
if h and redis.call('HEXISTS', of('e'), field) == 1 then
  needsLittle()
  gone = left(h, field)
  save(h)
  touch(h)
  if gone then publish('m') end
end
return { 'ok', int(NOW), gone and 1 or 0 }
