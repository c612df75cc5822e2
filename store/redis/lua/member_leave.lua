-- LeaveTopic (T6, T12). 7 and 8 say whose memberships end, 9 in which topic; 10 is the
-- notice, if any; the epochs follow.
local st, no = load()
if not st then return { no } end
local name, number, topic, notice = ARGV[7], tonumber(ARGV[8]), ARGV[9], ARGV[10]
local epochs = {}
for i = 11, #ARGV do epochs[tonumber(ARGV[i])] = true end
local all, changed = #ARGV < 11, false
if not all and not st.tp then return { 'ok' } end
local ms = joinable(st)
if repeated(ms) then return { 'ok' } end

local function reads(reader, k)
  for _, m in ipairs(ms.m) do
    if m.t == topic and covers(m, reader, k) then return true end
  end
  return false
end
local function each(f)
  for _, r in ipairs(st.r) do
    for _, k in ipairs(r.c) do f(r.n, k.n) end
  end
end
local function named(m) return name == '' or m.r == name and (number == 0 or m.k == number) end

local before = {}
each(function(reader, k) before[k] = reads(reader, k) end)
ms.m = keep(ms.m, function(m)
  if m.t ~= topic or not named(m) or not all and not epochs[(place(m))] then return true end
  changed = true
  if all or not m.le or epochs[m.le] then return false end
  -- It was joined again in an epoch that has not ended, and goes on there.
  ms.a = ms.a + 1
  m.e, m.s, m.b, m.ae, m.as, m.le, m.ls, m.lb = m.le, m.ls, m.lb, nil, nil, nil, nil, nil
  m.n, m.a, m.c = ms.a, ms.a, nil
  return true
end)
each(function(reader, k)
  local left = before[k] and not reads(reader, k)
  if left then ms.t = keep(ms.t, function(t) return t.l ~= k or t.t ~= topic end) end
  if notice ~= '' and (left or reader == name and k == number) then
    if #ms.n == NOTICES then table.remove(ms.n, 1) end
    ms.n[#ms.n + 1] = { l = k, d = notice }
    changed = true
  end
end)

if number == 0 and all then ms.x = ms.x + 1 end
if changed then st.tv = st.tv + 1 end
record(ms)
save(st, changed)
return { 'ok' }
