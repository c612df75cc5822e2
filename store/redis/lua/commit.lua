-- Commit (U2): the turn for n is over.
local st, no = load()
if not st then return { no } end
for _, w in ipairs(st.w) do
  if w.n == ARGV[7] and w.b == ARGV[8] then
    w.b, w.u = '', 0
    if ARGV[9] == '1' then w.l = string.format('%.0f', math.max(tonumber(w.l), tonumber(ARGV[8]))) end
    save(st, false)
    break
  end
end
return { 'ok' }
