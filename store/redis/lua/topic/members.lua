-- Members (T8).
use(ARGV[6], ARGV[7])
local h = head()
if not h or h.members == 0 then return { 'ok', int(NOW) } end
sweep(h)
return { 'ok', int(NOW), redis.call('HGETALL', of('m')) }
