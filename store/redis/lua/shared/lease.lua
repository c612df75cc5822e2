-- A link is given up when it was silent for the lease, and still is half a lease after
-- its node was asked (expire.lua). Otherwise a jump of Redis's clock, or a pause of
-- Redis, would end the links of healthy nodes. silence returns when that is, or when to
-- ask.
local function silence(k)
  if k.q and k.q > k.r then return math.max(k.r + LEASE, k.q + LEASE / 2), true end
  return k.r + LEASE / 2, false
end

-- due returns when the session has to be looked at (D6): the retention after it was left,
-- when a link has been silent, when a departure is to be reported that nobody has
-- reported (D7), when a Move should long be done, or at once if one ended the session.
local function due(st)
  if st.rv then return NOW end
  local at
  local function by(t) if not at or t < at then at = t end end
  for _, r in ipairs(st.r) do
    for _, k in ipairs(r.c) do by((silence(k))) end
    if #r.c == 0 and r.h then by(r.v == true and r.g or r.g + LONG) end
  end
  if not linked(st) then by(st.z + st.b[4]) end
  if st.mv then by(st.mv.t + SOON) end
  return at
end

