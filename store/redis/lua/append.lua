-- Append (D1, D5). A repeated append is found by its tag, in the log or among those that
-- have just left it. An append that took place when it was repeated leaves its tag, so
-- that the first question, if it arrives later still, finds it done.
grow()
local st, no, is = load()
local broadcast = #ARGV[6] == 16
if not st then
  if broadcast and is and is.fz then return { 'frozen' } end
  return { no }
end
local el, to = ARGV[7], ARGV[8]
local t = string.sub(el, 1, 4)
local function position(tags)
  local name = hex(t)
  for i = 1, #tags, 8 do
    if string.sub(tags, i, i + 7) == name then return (#tags - i + 1) / 8 end
  end
end
if st.rt ~= '' and position(st.rt) then return { 'ok', top(st) } end
if AGAIN then
  for i = st.c - 1, 0, -1 do
    if string.sub(redis.call('LINDEX', M, i) or '', 1, 4) == t then return { 'ok', st.f + i } end
  end
  local back = position(st.o)
  if back then return { 'ok', math.max(0, st.f - back) } end
end
if broadcast and st.jt then -- it may have come with a session that was joined to this one (I16)
  local seq = math.max(st.jf, st.f)
  while seq <= math.min(st.jt, top(st)) do
    local some = redis.call('LRANGE', M, index(st, seq), index(st, math.min(seq + 63, st.jt)))
    if #some == 0 then break end
    for i, o in ipairs(some) do
      if string.sub(o, 1, 4) == t and string.sub(o, 11) == string.sub(el, 11) then return { 'ok', seq + i - 1 } end
    end
    seq = seq + #some
  end
end
if to ~= '' and not reader(st, to) then return { 'notfound' } end
if not room(st, size(el)) then return { 'full', st.i } end
st.c, st.y = st.c + 1, st.y + size(el)
if AGAIN then
  st.rt, st.ra = string.sub(st.rt .. hex(t), -8 * REMEMBERED), NOW
elseif st.rt ~= '' and NOW - st.ra > 60000 then
  st.rt = ''
end
if to ~= '' then st.to = top(st) end
save(st, true)
redis.call('RPUSH', M, stamped(el))
redis.call('PEXPIRE', M, math.max(LEASE, st.b[4]) + KEEP)
return { 'ok', top(st) }
