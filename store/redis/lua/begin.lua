-- Begin (U1, U2): is message n of the writer to be handled now? If a node dies, its turn
-- ends with the lease.
local st, no = load()
no = no or outdated(st, tonumber(ARGV[11]))
if no then return { no } end
local name, base, n, till = ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
if undone(st) then return { 'ok', 'busy', accepted(st, name) } end
if n == 0 then return { 'ok', 'done', accepted(st, name) } end
local w
for i, o in ipairs(st.w) do
  if o.n == name then w = table.remove(st.w, i) break end
end
if w then
  w.l = string.format('%.0f', math.max(tonumber(w.l), base - 1)) -- what is below its base will never come
else
  if #st.w >= st.b[7] then
    for i, o in ipairs(st.w) do
      if o.b == '' or o.u <= NOW then table.remove(st.w, i) break end
    end
  end
  w = { n = name, l = string.format('%.0f', base - 1), b = '', u = 0, o = '' }
end
st.w[#st.w + 1] = w
local last, busy = tonumber(w.l), string.format('%.0f', n)
local turn = 'deliver'
if w.o == OP and w.b == busy then
  turn = 'deliver'
elseif n <= last then
  turn = 'done'
elseif n > last + 1 then
  turn = 'early'
elseif w.b ~= '' and w.u > NOW then
  turn = 'busy'
elseif w.b == busy then
  turn = 'again'
end
if turn == 'deliver' or turn == 'again' then w.b, w.u, w.o = busy, NOW + till, OP end
save(st, false)
return { 'ok', turn, w.l }
