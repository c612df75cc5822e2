-- The session's memberships in topics. Most sessions have none, and most steps do not
-- need them, so they are packed within the state: st.tp, absent until the first join.
-- st.tv is Tail.Topics. Unpacked, they are:
--   m     the memberships, in the order of their first joins
--   t     what clients were told: to link l of topic t, as Go encodes it in d
--   n     notices for clients: of link l, as Go encodes it in d; the step that gave it to
--         its caller is o, and g is when that was
--   a     how many joins a client is to be told of
--   i     how many joins had an info
--   x     how often the application ended memberships
--   o ot  the numbers of the last steps, and when the last one was
-- A membership is:
--   t h   the topic and its hash
--   r k   the reader, '' for the whole session, and the link, 0 for all of the reader's
--   e s b       where a link begins: epoch, number, and how
--   ae as       the highest position that was acknowledged, if any
--   le ls lb    where it was joined again, in another epoch, if it was
--   f i   the info, if any, and which of the joins with an info it came with
--   n a   which join made it, and which was the last that the client is to be told of
--   x     the bound of the join
--   c     of the whole session's: reader -> what it has acknowledged, { epoch, number }

-- members returns them unpacked, or nil. save packs them.
local function members(st)
  if type(st.tp) == 'string' then st.tp = unpack(st.tp) end
  return st.tp
end

local function keep(list, wanted)
  local kept = {}
  for _, v in ipairs(list) do if wanted(v) then kept[#kept + 1] = v end end
  return kept
end

-- sweep drops what belongs to links and readers that are not remembered any more. Every
-- step that removes one calls it.
local function sweep(st)
  local ms = members(st)
  if not ms then return end
  local there = {}
  for _, r in ipairs(st.r) do
    there[r.n] = true
    for _, k in ipairs(r.c) do there[k.n] = true end
  end
  ms.m = keep(ms.m, function(m) return (m.r == '' or there[m.r]) and (m.k == 0 or there[m.k]) end)
  ms.t = keep(ms.t, function(t) return there[t.l] end)
  ms.n = keep(ms.n, function(n) return there[n.l] end)
  for _, m in ipairs(ms.m) do
    for name in pairs(m.c or {}) do if not there[name] then m.c[name] = nil end end
  end
end
