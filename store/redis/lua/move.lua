-- Move (I6, I12), in the shard of the log. The session's state says how far its Move has
-- come, so that every call that meets it can finish it:
--   begin   it has its new id, and mv says what is to be done; the directories do not know yet. Old handles are refused from now on
--   done    the directories know: the session is where its id says
--   freeze  the new id has a session already: this one takes nothing more, and hands out what is above its mark
--   absorb  that session takes it, once
--   bury    and this one has ended
--   thaw    that session ended without having taken it: this one goes on
--   bar     the new id was revoked meanwhile: this one ends as soon as a caller takes what is in it
-- An act is for the mg-th move of a session, and does nothing if it arrives after the
-- next.
local act, e, mg = ARGV[6], ARGV[7], tonumber(ARGV[8])
local st, tomb = raw(e)
if act == 'look' then
  if tomb then return { 'ok', 'dead', tomb.d or {}, tomb.i or '' } end
  if not st then return { 'ok', 'none' } end
  if st.rv then return { 'ok', 'barred' } end
  if st.mv then return { 'ok', 'moving', st.i, where(st), string.format('%.0f', st.mg), st.fz or '', st.mv.a } end
  return { 'ok', 'there', st.i, where(st), held(st, ARGV[9], ARGV[10]) and refused(st, ARGV[11], ARGV[12]) or '' }
elseif act == 'begin' then
  local from, v, to, keep, far = ARGV[9], ARGV[10], ARGV[11], tonumber(ARGV[12]), tonumber(ARGV[13])
  if not st then return { 'ok', 'none' } end
  local function begun() -- with the readers that were here until then
    local left = {}
    for _, r in ipairs(st.r) do
      if r.mo == st.mg then left[#left + 1], left[#left + 2] = r.n, r.p and '1' or '0' end
    end
    return { 'ok', 'begun', where(st), string.format('%.0f', st.mg), left }
  end
  if st.mv and st.mv.o == OP then return begun() end
  if not held(st, from, v) then return { 'ok', 'unsettled' } end
  local intent = {}
  for i = 14, #ARGV do intent[#intent + 1] = ARGV[i] end
  st.k = st.k or st.i
  st.mg, st.mv, st.fr = st.mg + 1, { t = NOW, o = OP, a = intent }, far
  st.p, st.q, st.i, st.u = from, NOW + keep, to, 0
  st.rn = st.n -- if the id comes back, links of its first time do not count
  for _, r in ipairs(st.r) do
    for _, k in ipairs(r.c) do if k.e == '' then k.e = 'moved' end end
    if r.h then r.h, r.mo = false, st.mg end
  end
  save(st, true)
  return begun()
elseif act == 'buried' then -- the directory has dropped the ended session
  if tomb and tomb.d then
    redis.call('ZREM', K .. ':x', tomb.k)
    tomb.d, tomb.k = nil, nil
    redis.call('SET', S, 'X' .. pack(tomb), 'PX', LEASE + KEEP)
  end
  return { 'ok' }
elseif act == 'absorb' then
  local from, id, keep, first = ARGV[9], ARGV[10], tonumber(ARGV[11]), 13
  for _, o in ipairs((st or tomb or { ab = {} }).ab) do if o == from then return { 'ok', 'took' } end end
  if not st or st.rv then return { 'ok', 'gone' } end
  if st.fz then return { 'ok', 'frozen' } end
  st.ab[#st.ab + 1] = from
  if #st.ab > 8 then table.remove(st.ab, 1) end
  st.p, st.q = id, NOW + keep
  unite(st, ARGV[12])
  -- A broadcast that reached both sessions is here already (I16).
  local theirs, both = {}, {}
  for i = first, #ARGV do theirs[string.sub(ARGV[i], 1, 4)] = true end
  entries(st, st.f, top(st), function(_, el)
    local t = string.sub(el, 1, 4)
    if theirs[t] then both[t .. sparse.content(el)] = true end
  end)
  -- Entries that came in this step are not in the list yet.
  local took, came = {}, top(st) + 1
  local function flush()
    save(st, false)
    for _, t in ipairs(took) do redis.call('RPUSH', M, t) end
    took = {}
  end
  for i = first, #ARGV do
    local el = ARGV[i]
    local seq, why
    if both[string.sub(el, 1, 4) .. sparse.content(el)] or sparse.expired(el) then
      why = 'passed over'
    elseif st.sp or special(el) then
      if #took > 0 then flush() end
      write()
      seq, why = sparse.put(st, el)
    else
      -- What would leave again at once is not worth bringing over.
      if #took > 0 and not (st.c < st.b[1] and st.y + size(el) <= st.b[2]) then flush() end
      if not room(st, size(el)) then break end
      st.c, st.y, st.t = st.c + 1, st.y + size(el), string.sub(el, 1, 4)
      took[#took + 1], seq = stamped(el), top(st)
    end
    if why == 'full' then break end
    if seq then expect(st, addressee(el), seq) end
  end
  if top(st) >= came then -- the range that came by joins, for broadcasts that are under way
    if not st.jt or st.jt < st.f then st.jf = came end
    st.jt = top(st)
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
  local els = {}
  unread(st, function(_, el) els[#els + 1] = el end)
  entries(st, st.m + 1, top(st), function(_, el) els[#els + 1] = el end)
  return { 'ok', st.fz, els, inherited(st) }
elseif act == 'thaw' then
  if st.fz == ARGV[9] then
    st.fz = nil
    save(st, false)
  end
elseif act == 'done' and not st.fz then
  local at = tonumber(ARGV[9])
  st.mv, st.u, st.si, st.ba = nil, 0, nil, at > 0 and at or nil
  save(st, false)
elseif act == 'bar' and not st.fz then
  st.rv, st.mv, st.fr, st.u = true, nil, 0, 0
  save(st, true)
elseif act == 'bury' and st.fz then
  write()
  redis.call('DEL', M, K .. ':k:' .. e, K .. ':u:' .. e)
  behead(st)
  redis.call('ZREM', K .. ':x', member(st))
  redis.call('SET', S, 'X' .. pack({ w = 'moved', ab = st.ab, mg = st.mg }), 'PX', LEASE + KEEP)
  wake(st)
end
return { 'ok', '' }
