-- Open (D8, I13, I14): returns the place of a session; one caller makes it. The upper
-- half of its epoch is the data's, the lower half the caller's. If it lies in another
-- shard, or a Move is under way, the caller has to look there.
grow()
local id, create, low, boot, shard = ARGV[6], ARGV[7] == '1', ARGV[8], ARGV[9], ARGV[10]
local first, signed, came = tonumber(ARGV[11]), ARGV[12], ARGV[13]
local v = redis.call('HGET', K .. ':i', id)
if v then
  local e = string.sub(v, 1, 16)
  if tonumber(string.sub(e, 15), 16) % 64 ~= tonumber(shard) then return { 'far', TIME, v } end
  local st, tomb = raw(e)
  if st and held(st, id, v) then
    local no = refused(st, signed, came)
    if no then return { no, TIME } end
    return { 'ok', TIME, v, st.op == OP and 1 or 0 }
  end
  if st or tomb and tomb.d then return { 'far', TIME, v } end
end
local p = coming(id)
if p then return { 'coming', TIME, p } end
local at, settled = bar(id), fence(id)
local no = refuses(id, signed, came)
if not no and came ~= '' and tonumber(came) < settled then no = 'moved' end
if not no and not create then no = 'notfound' end
if no then
  if v then redis.call('HDEL', K .. ':i', id) end
  return { no, TIME }
end
local b = {}
for i = 14, 22 do b[#b + 1] = tonumber(ARGV[i]) end
boot = redis.call('GET', K .. ':boot') or (redis.call('SET', K .. ':boot', boot) and boot)
local e = boot .. low
local st = { i = id, e = e, b = b, f = 1, c = 0, y = 0, m = 0, x = 0, n = first, fn = first, d = 0, r = {}, w = {}, ab = {}, p = '', q = 0, z = NOW,
  g = NONE, t = NONE, nodes = '', u = 0, v = 0, mg = 0, fr = 0, op = OP }
if at > 0 then st.ba = at end
if settled > 0 then st.si = settled end
use(e)
redis.call('HSET', K .. ':i', id, where(st))
save(st, false)
return { 'ok', TIME, where(st), 1 }
