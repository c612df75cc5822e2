-- The steps of a session's memberships in topics (T2, T6): joins and what they unite.

local MEMBERSHIPS = 4096 -- how many one session may have
local AFTER, FROM_NOW, START = 0, 1, 2 -- store.Begin
-- How many notices wait for the links of one session. Older ones are dropped, because
-- their clients do not take them.
local NOTICES = 256

-- joinable returns the memberships, and makes them if there are none.
local function joinable(st)
  if not st.tp then st.tp, st.tv = { m = {}, t = {}, n = {}, a = 0, i = 0, x = 0, o = '' }, 1 end
  return members(st)
end

-- repeated returns whether this step took place already. A step that was answered may
-- arrive once more, when others have followed.
local function repeated(ms)
  if ms.ot and NOW - ms.ot > 60000 then ms.o, ms.ot = '', nil end
  return string.find(ms.o, OP, 1, true)
end
local function record(ms) ms.o, ms.ot = string.sub(ms.o .. OP, -64 * 16), NOW end

-- denied returns why a step that concerns the reader or the link is refused.
local function denied(st, name, number)
  local no = outdated(st, number)
  if no then return no end
  if name == '' then return end
  local r = reader(st, name)
  if not r or number > 0 and not link(r, number) then return 'notfound' end
end

-- covers returns whether a link reads the topic because of the membership.
local function covers(m, name, number)
  if m.r == '' then return true end
  if m.k == 0 then return m.r == name end
  return m.k == number
end

-- find returns the membership of exactly that session, reader or link.
local function find(ms, topic, name, number)
  for _, m in ipairs(ms.m) do
    if m.t == topic and m.r == name and m.k == number then return m end
  end
end

-- place returns where a link begins that presents no position.
local function place(m)
  if m.ae then return m.ae, m.as, AFTER end
  return m.e, m.s, m.b
end

-- crowded returns whether a link would read more than max topics with the membership m.
local function crowded(st, ms, m, max)
  local of = {} -- the other topics of the session, a reader or a link
  for _, o in ipairs(ms.m) do
    if o.t ~= m.t then
      local whom = o.r .. '/' .. o.k
      of[whom] = of[whom] or {}
      of[whom][o.t] = true
    end
  end

  local function reads(name, number)
    local seen, n = {}, 0
    for _, whom in ipairs({ '/0', name .. '/0', name .. '/' .. number }) do
      for topic in pairs(of[whom] or {}) do
        if not seen[topic] then seen[topic], n = true, n + 1 end
      end
    end
    return n
  end

  if m.k > 0 then return reads(m.r, m.k) >= max end
  if reads('', 0) >= max then return true end
  for _, r in ipairs(st.r) do
    if m.r == '' or m.r == r.n then
      if reads(r.n, 0) >= max then return true end
      for _, k in ipairs(r.c) do if reads(r.n, k.n) >= max then return true end end
    end
  end
  return false
end

-- join makes or repeats a membership. It returns why it is refused, if it is. again is
-- TopicJoin.Again; f is nil without an info.
local function join(st, m, again, f)
  local ms = joinable(st)
  local is = find(ms, m.t, m.r, m.k)
  if not is then
    if again then return 'notfound' end
    if #ms.m >= MEMBERSHIPS or crowded(st, ms, m, m.x) then return 'topics' end
    is = m
    ms.m[#ms.m + 1] = is
  end

  if f then
    ms.i = ms.i + 1
    is.f, is.i = f, ms.i
  end
  if not again and m.e ~= (place(is)) then -- it was a member, in another epoch
    is.le, is.ls, is.lb = m.e, m.s, m.b
  end
  if not is.a or is.k > 0 then
    ms.a = ms.a + 1
    is.a = ms.a
  end
  is.n = is.n or ms.a
  st.tv = st.tv + 1
end

-- behind returns whether a link begins further back because of m than because of o.
local function behind(m, o)
  local epoch, seq, begin = place(m)
  local other, than, begins = place(o)
  if begins == START or begin == START then return begins ~= START end
  if epoch ~= other then return false end -- one of them has ended
  if seq ~= than then return seq < than end
  return begin == FROM_NOW and begins == AFTER -- what grows comes whole
end

-- inherited returns the memberships of the whole session, for the one that it is joined
-- to.
local function inherited(st)
  local ms = members(st)
  return ms and pack(keep(ms.m, function(m) return m.r == '' end)) or ''
end

-- unite adds the memberships that another session left, as far as there is room. If both
-- are in a topic, the place that is further back stays.
local function unite(st, others)
  if others == '' then return end
  for _, o in ipairs(unpack(others)) do
    local mine = st.tp and find(members(st), o.t, '', 0)
    local back = not mine or behind(o, mine)
    local m = { t = o.t, h = o.h, r = '', k = 0, x = o.x }
    m.e, m.s, m.b = place(o)
    if not join(st, m, false, o.f) and back then
      mine = find(members(st), o.t, '', 0)
      mine.e, mine.s, mine.b, mine.ae, mine.as = o.e, o.s, o.b, o.ae, o.as
      mine.le, mine.ls, mine.lb = o.le, o.ls, o.lb
    end
  end
end
