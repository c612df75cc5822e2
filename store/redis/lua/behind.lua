-- Behind: how many present readers do not have everything up to seq; 0 is the top.
local st, no = load()
if not st then return { no } end
local seq, n = tonumber(ARGV[7]), 0
if seq == 0 then seq = top(st) end
for _, r in ipairs(st.r) do
  if (#r.c > 0 or r.h and not r.p) and sparse.lacks(st, has(r), seq) then n = n + 1 end
end
return { 'ok', n, top(st) }
