-- Move (I6), in the shard of the log. The session's state says how far its Move has come, so that everybody who meets it can finish it:
--   begin   it has its new id, and mv says from where; the directories do not know yet
--   done    they do: the session is where its id says
--   freeze  the new id has a session already: this one takes nothing more, and hands out what is above its mark
--   absorb  that session takes it, once
--   bury    and this one is over
--   thaw    that session ended, without having taken it: this one goes on
-- An act is for the mg-th move of a session, and does nothing when it comes behind the next.
local act, e, mg = ARGV[6], ARGV[7], tonumber(ARGV[8])
local st, tomb = raw(e)
if act == 'look' then
  if tomb then return { 'ok', 'dead', tomb.d or {} } end
  if not st then return { 'ok', 'none' } end
  if not st.mv then return { 'ok', 'there', st.i, where(st, st.mg) } end
  return { 'ok', 'moving', st.i, where(st, st.mg), st.mv.f, where(st, st.mg - 1), string.format('%.0f', st.mg), st.fz or '' }
elseif act == 'begin' then
  local from, v, to, keep, far = ARGV[9], ARGV[10], ARGV[11], tonumber(ARGV[12]), tonumber(ARGV[13])
  if not st then return { 'ok', 'none' } end
  if st.mv or not held(st, from, v) then return { 'ok', st.mv and st.mv.o == OP and 'begun' or 'unsettled' } end
  redis.call('ZREM', K .. ':x', member(st))
  st.mg, st.mv, st.fr = st.mg + 1, { f = from, t = NOW, o = OP }, far
  st.p, st.q, st.i, st.u = from, NOW + keep, to, 0
  for _, r in ipairs(st.r) do
    for _, k in ipairs(r.c) do if k.e == '' then k.e = 'moved' end end
  end
  save(st, true)
  return { 'ok', 'begun' }
elseif act == 'buried' then -- the directories have forgotten the dead
  if tomb and tomb.d then
    redis.call('ZREM', K .. ':x', e .. ':' .. tomb.d[1])
    tomb.d = nil
    redis.call('SET', S, 'X' .. pack(tomb), 'PX', LEASE + KEEP)
  end
  return { 'ok' }
elseif act == 'absorb' then
  local from = ARGV[9]
  for _, o in ipairs((st or tomb or { ab = {} }).ab) do if o == from then return { 'ok', 'took' } end end
  if not st then return { 'ok', 'gone' } end
  if st.fz then return { 'ok', 'frozen' } end
  st.ab[#st.ab + 1] = from
  if #st.ab > 8 then table.remove(st.ab, 1) end
  local took = {}
  for i = 10, #ARGV do
    local el = ARGV[i]
    -- What would leave again at once is not worth bringing over; entries that came in this step are not in the list yet.
    if #took > 0 and not (st.c < st.b[1] and st.y + size(el) <= st.b[2]) then
      save(st, false)
      for _, t in ipairs(took) do redis.call('RPUSH', M, t) end
      took = {}
    end
    if not room(st, size(el)) then break end
    st.c, st.y = st.c + 1, st.y + size(el)
    took[#took + 1] = stamped(el)
  end
  save(st, true)
  for _, t in ipairs(took) do redis.call('RPUSH', M, t) end
  redis.call('PEXPIRE', M, math.max(LEASE, st.b[4]) + KEEP)
  return { 'ok', 'took' }
end
if not st or not st.mv or st.mg ~= mg then return { 'ok', 'stale' } end
if act == 'freeze' then
  if not st.fz then
    st.fz = ARGV[9]
    save(st, true)
  end
  return { 'ok', st.fz, redis.call('LRANGE', M, index(st, math.max(st.m + 1, st.f)), -1) }
elseif act == 'thaw' then
  if st.fz == ARGV[9] then
    st.fz = nil
    save(st, false)
  end
elseif act == 'done' and not st.fz then
  st.mv, st.u = nil, 0
  save(st, false)
elseif act == 'bury' and st.fz then
  write()
  redis.call('DEL', M)
  redis.call('ZREM', K .. ':x', member(st))
  redis.call('SET', S, 'X' .. pack({ w = 'moved', ab = st.ab }), 'PX', LEASE + KEEP)
  wake(st)
end
return { 'ok', '' }
