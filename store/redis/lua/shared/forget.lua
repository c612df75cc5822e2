-- forget drops the links whose node is silent, the readers that have been away for the
-- retention, and, if too many are away, those that left first (D5).
local function forget(st)
  local was, keep, away, changed = linked(st), {}, {}, false
  for _, r in ipairs(st.r) do
    local live, last = {}, 0
    for _, k in ipairs(r.c) do
      local at, asked = silence(k)
      if asked and at <= NOW then last = math.max(last, at) else live[#live + 1] = k end
    end
    if #live < #r.c then
      r.c, changed = live, true
      if #live == 0 then
        depart(st, r, last)
        r.v = true
      end
    end
    if #r.c > 0 or r.g > NOW - st.b[4] then
      keep[#keep + 1] = r
      if #r.c == 0 then away[#away + 1] = r end
    else
      changed = true
      giveup(st, r)
    end
  end
  if #away > st.b[6] then
    table.sort(away, function(a, b) return a.l < b.l end)
    local gone = {}
    for i = 1, #away - st.b[6] do
      gone[away[i].n] = true
      giveup(st, away[i])
    end
    local rest = {}
    for _, r in ipairs(keep) do if not gone[r.n] then rest[#rest + 1] = r end end
    keep, changed = rest, true
  end
  st.r = keep
  if changed then sweep(st) end
  if was and not linked(st) then
    for _, r in ipairs(st.r) do st.z = math.max(st.z, r.g) end
    if st.z == 0 then st.z = NOW end
  end
  return changed
end

