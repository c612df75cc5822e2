-- Undo (D7, U2): undoes a step whose caller has not got the answer. What it took under
-- its number is given back, and if it arrives later still, it is refused.
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

if what == 'member_topics' then
  for _, n in ipairs(st.tp and members(st).n or {}) do
    if n.o == op then n.o, n.g, st.tv = nil, nil, st.tv + 1 end
  end
  save(st, '') -- its own node, too: the link asks again
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
    if k.j then r.h = false end -- its arrival was not reported
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
sweep(st)
save(st, false)
return { 'ok' }
