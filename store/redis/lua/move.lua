-- Move (I6): the session goes on under another id. If that has one, it stays and gets what is above the mark of the moved one. Asked again, it finds
-- nothing left to move.
local from, to, client, keep = ARGV[6], ARGV[7], ARGV[8], tonumber(ARGV[9])
if client ~= '' and keep > 0 then
  unlead(from)
  redis.call('SET', K .. ':a:' .. from, cjson.encode({ t = to, c = client }), 'PX', keep)
  redis.call('SADD', K .. ':o:' .. to, from)
  local ttl = redis.call('PTTL', K .. ':o:' .. to)
  if ttl < keep then redis.call('PEXPIRE', K .. ':o:' .. to, keep) end
end
unlead(to) -- it is in use again, if it ever moved away
local e = redis.call('HGET', K .. ':i', from)
local st = e and load(e)
if not st then return { 'ok' } end
local te = redis.call('HGET', K .. ':i', to)
local target = te and load(te)
use(e)
if not target then
  redis.call('HDEL', K .. ':i', from)
  redis.call('ZREM', K .. ':x', from)
  redis.call('HSET', K .. ':i', to, e)
  st.p, st.q, st.i, st.u = from, NOW + keep, to, 0
  for _, r in ipairs(st.r) do
    for _, k in ipairs(r.c) do if k.e == '' then k.e = 'moved' end end
  end
  save(st, true)
  return { 'ok', e }
end
local left = finish(st, 'M', OP, false)[5]
use(te)
target.ab[#target.ab + 1] = e
if #target.ab > 8 then table.remove(target.ab, 1) end
local took = {}
for _, el in ipairs(left) do
  -- What would leave again at once is not worth bringing over; entries that came in this step are not in the list yet.
  if #took > 0 and not (target.c < target.b[1] and target.y + size(el) <= target.b[2]) then
    save(target, false)
    for _, t in ipairs(took) do redis.call('RPUSH', M, t) end
    took = {}
  end
  if not room(target, size(el)) then break end
  target.c, target.y = target.c + 1, target.y + size(el)
  took[#took + 1] = stamped(el)
end
save(target, true)
for _, t in ipairs(took) do redis.call('RPUSH', M, t) end
redis.call('PEXPIRE', M, math.max(LEASE, target.b[4]) + KEEP)
return { 'ok', e, te }
