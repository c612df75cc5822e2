-- Open (D8): the epoch of a session; one caller makes it. Of its epoch the upper half is the data's, the lower the caller's.
local id, create, low, boot = ARGV[6], ARGV[7] == '1', ARGV[8], ARGV[9]
local e = redis.call('HGET', K .. ':i', id)
if e then
  local st = load(e)
  if st then return { 'ok', e, st.op == OP and 1 or 0 } end
end
if not create then return { 'notfound' } end
local b = {}
for i = 10, 16 do b[#b + 1] = tonumber(ARGV[i]) end
boot = redis.call('GET', K .. ':boot') or (redis.call('SET', K .. ':boot', boot) and boot)
e = boot .. low
use(e)
redis.call('HSET', K .. ':i', id, e)
save({ i = id, e = e, b = b, f = 1, c = 0, y = 0, m = 0, x = 0, n = 0, d = 0, r = {}, w = {}, ab = {}, p = '', q = 0, z = NOW, g = '', o = '', oa = 0, rt = '', ra = 0,
  u = 0, v = 0, op = OP }, false)
return { 'ok', e, 1 }
