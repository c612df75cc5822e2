-- Append (D1, D5). An append that is asked again is found by its tag, in the log or among those that have just left it.
local st, no = load(ARGV[6])
if not st then return { no } end
local el, to = ARGV[7], ARGV[8]
if AGAIN then
  local t = string.sub(el, 1, 4)
  for i = st.c - 1, 0, -1 do
    if string.sub(redis.call('LINDEX', M, i), 1, 4) == t then return { 'ok', st.f + i } end
  end
  for i = 1, #st.o, 8 do
    if string.sub(st.o, i, i + 7) == hex(t) then return { 'ok', math.max(0, st.f - (#st.o - i + 1) / 8) } end
  end
end
if to ~= '' and not reader(st, to) then return { 'notfound' } end
if not room(st, size(el)) then return { 'full' } end
st.c, st.y = st.c + 1, st.y + size(el)
save(st, true)
redis.call('RPUSH', M, stamped(el))
redis.call('PEXPIRE', M, math.max(LEASE, st.b[4]) + KEEP)
return { 'ok', top(st) }
