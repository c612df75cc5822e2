-- Undo (D7, U2): a step whose caller has not heard its outcome is to have done nothing.
-- What it took under its number is given back, and it is refused should it come later
-- still.
local st, no = load()
if not st then return { no } end
local what, op, name = ARGV[7], ARGV[8], ARGV[9]
st.wd, st.wt = string.sub((st.wd or '') .. op, -32 * 16), NOW

if what == 'begin' then
  for _, w in ipairs(st.w) do
    if w.n == name and w.o == op then w.b, w.u, w.o = '', 0, '' end
  end
  save(st, false)
  return { 'ok' }
end

local r, i = reader(st, name)
for j, k in ipairs(r and r.c or {}) do
  if k.o == op then
    if k.t > 1 then -- the request before it has the link again
      k.t, k.o = k.t - 1, ''
      break
    end
    table.remove(r.c, j)
    if k.j then r.h = false end -- nobody was told that it came
    if #r.c == 0 then
      depart(st, r, NOW)
      if k.f then
        giveup(st, r)
        table.remove(st.r, i)
      end
    end
    break
  end
end
save(st, false)
return { 'ok' }
