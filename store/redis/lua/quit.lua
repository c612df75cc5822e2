-- Quit (D7, W2): forgets the reader; with the last one the session ends.
local g = grave(OP)
if g then return g end
local st, no = load()
if not st then return { no } end
if st.qo == OP then return { 'on', st.qh } end
no = outdated(st, tonumber(ARGV[8]))
if no then return { no } end
local r, i = reader(st, ARGV[7])
if not r then return { 'notfound' } end
giveup(st, r)
table.remove(st.r, i)
sweep(st)
forget(st)
if #st.r == 0 then return finish(st, '', OP, r.h, 60000) end
tidy(st)
st.qo, st.qh = OP, r.h and 1 or 0
save(st, true)
return { 'on', st.qh }
