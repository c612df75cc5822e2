-- Removals (T6).
local st, no = load()
if not st then return { no } end
return { 'ok', st.tp and members(st).x or 0 }
