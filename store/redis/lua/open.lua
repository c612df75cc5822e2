-- Open (D8): the epoch of a session; one caller makes it. Of its epoch the upper half is the data's, the lower the caller's. What lies in another shard,
-- or is in the middle of a Move, is the caller's to look at.
grow()
local id, create, low, boot, shard = ARGV[6], ARGV[7] == '1', ARGV[8], ARGV[9], ARGV[17]
local v = redis.call('HGET', K .. ':i', id)
if v then
  local e = string.sub(v, 1, 16)
  if tonumber(string.sub(e, 15), 16) % 64 ~= tonumber(shard) then return { 'far', v } end
  local st, tomb = raw(e)
  if st and held(st, id, v) and not st.fz and not st.mv then return { 'ok', e, st.op == OP and 1 or 0 } end
  if st or tomb and tomb.d then return { 'far', v } end
end
if not create then
  if v then redis.call('HDEL', K .. ':i', id) end
  return { 'notfound' }
end
local b = {}
for i = 10, 16 do b[#b + 1] = tonumber(ARGV[i]) end
boot = redis.call('GET', K .. ':boot') or (redis.call('SET', K .. ':boot', boot) and boot)
local e = boot .. low
use(e)
redis.call('HSET', K .. ':i', id, e)
save({ i = id, e = e, b = b, f = 1, c = 0, y = 0, m = 0, x = 0, n = 0, d = 0, r = {}, w = {}, ab = {}, p = '', q = 0, z = NOW, g = '', o = '', oa = 0, rt = '', ra = 0,
  u = 0, v = 0, mg = 0, fr = 0, op = OP }, false)
return { 'ok', e, 1 }
