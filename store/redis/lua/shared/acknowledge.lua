-- acknowledge notes that the reader has everything up to seq (the mark).
local function acknowledge(st, r, seq)
  r.a, st.m = math.max(r.a, seq), math.max(st.m, seq)
  tidy(st)
end

-- speak notes a sign of life of the client on a link. The first one on a link ends the
-- older links of its reader (D7).
local function speak(st, r, k)
  k.h, k.r = NOW, NOW
  if k.n <= r.k then return false end
  r.k = k.n
  local older = false
  for _, o in ipairs(r.c) do
    if o.n < k.n and o.e == '' then o.e, older = 'superseded', true end
  end
  return older
end

