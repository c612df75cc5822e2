-- Commit (U2): the turn for n ends. own is the step that got it: after the lease another
-- one may have it, and keeps it.
local st, no = load()
if not st then return { no } end
local name, n, handled, own = ARGV[7], ARGV[8], ARGV[9] == '1', ARGV[10]
for _, w in ipairs(st.w) do
  local mine = w.b == n and (own == '' or w.o == own)
  local late = own ~= '' and handled and tonumber(w.l) == tonumber(n) - 1 -- it is handled, whatever step has the turn
  if w.n == name and (mine or late) then
    if mine then w.b, w.u = '', 0 end
    if handled then w.l = string.format('%.0f', math.max(tonumber(w.l), tonumber(n))) end
    save(st, false)
    break
  end
end
return { 'ok' }
