-- Topics (T2, T6): what a link reads, and the notices for its client. A notice goes to
-- one step alone, and stays for a minute, in case that step is repeated or undone.
local st, no = load()
local name, number, turn = ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
no = no or outdated(st, number)
if no then return { no } end
if not st.tp then return { 'ok', 0, {}, {} } end
local r = reader(st, name)
if not r then return { 'notfound' } end
local k = link(r, number)
if not k or k.t ~= turn or undone(st) then return { 'ok', st.tv, {}, {} } end
local ms = members(st)
local function decimal(n) return string.format('%.0f', n) end
local function position(epoch, seq) return epoch and decimal(epoch) or '0', decimal(seq or 0) end

-- Several memberships in one topic are one: the link reads from where the first of them
-- begins.
local joined, of = {}, {}
for _, m in ipairs(ms.m) do
  if covers(m, name, number) then
    local j = of[m.t]
    if not j then
      j = { t = m.t, h = m.h, e = m.e, s = m.s, b = m.b, a = m.a, n = m.n, told = '' }
      for _, t in ipairs(ms.t) do if t.l == number and t.t == m.t then j.told = t.d end end
      of[m.t], joined[#joined + 1] = j, j
    end
    if m.f and m.i > (j.i or 0) then j.f, j.i = m.f, m.i end
    j.n, j.a, j.whole = math.min(j.n, m.n), math.max(j.a, m.a), j.whole or m.r == ''
    local ae, as = m.ae, m.as
    if m.r == '' then ae, as = nil, nil end
    if m.c and m.c[name] then ae, as = m.c[name][1], m.c[name][2] end
    if ae then j.ae, j.as = ae, as end
    if m.ae and m.k == 0 then -- what was acknowledged is not read again
      j.e, j.s, j.b = m.ae, m.as, AFTER
    end
  end
end
local list = {}
for _, j in ipairs(joined) do
  local e, s = position(j.e, j.s)
  local ae, as = position(j.ae, j.as)
  for _, v in ipairs({ j.t, decimal(j.h), e, s, decimal(j.b), ae, as, j.whole and '1' or '0', j.f and 'i' .. j.f or '',
    decimal(j.a), decimal(j.n), j.told }) do
    list[#list + 1] = v
  end
end

local notices, given = {}, false
ms.n = keep(ms.n, function(n) return not n.o or NOW - n.g < 60000 end)
for _, n in ipairs(ms.n) do
  if n.l == number and (not n.o or n.o == OP) then
    given = given or not n.o
    n.o, n.g = OP, NOW
    notices[#notices + 1] = n.d
  end
end
if given then save(st, false) end
return { 'ok', st.tv, list, notices }
