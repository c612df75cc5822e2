-- Renew (I7): every link ends, to reconnect through the hooks. From now on nothing counts
-- that comes by the old ones.
local st, no = load()
if not st then return { no } end
for _, r in ipairs(st.r) do
  for _, k in ipairs(r.c) do if k.e == '' then k.e = 'renewed' end end
end
st.rn = st.n
st.si = math.max(st.si or 0, US + 1) -- nor requests that have come so far, whatever their hooks said
save(st, true)
return { 'ok', string.format('%.0f', US) }
