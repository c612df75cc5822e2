-- stalled returns whether a reader that has passed seq has had the next entry before it,
-- and taken nothing, for as long as b[9].
local function stalled(st, r, seq)
  local patience = st.b[9] or 0
  if patience == 0 or seq >= top(st) then return false end
  local el
  if st.sp then
    el = sparse.after(st, seq)
    if not el then return false end
  else
    el = entry(st, math.max(seq + 1, st.f))
  end
  local since = math.max(r.tk or 0, el and stamp(el) or NOW)
  for _, k in ipairs(r.c) do
    if k.e == '' then since = math.max(since, k.h) end
  end
  return since <= NOW - patience
end

-- passed returns the highest entry that may leave (D5's order). level: 0 ignores what
-- plain readers were sent, 1 counts it as passed, 2 also ignores readers without a link,
-- 3 also stalled ones.
function passed(st, level)
  local low
  for _, r in ipairs(st.r) do
    local at = r.a
    if r.p and level > 0 then at = math.max(at, r.s) end
    local yields = level >= 2 and #r.c == 0 or level == 3 and stalled(st, r, at)
    if not yields then low = low and math.min(low, at) or at end
  end
  if level == 3 and not low then return 0 end -- nobody is live
  return math.min(low or st.m, top(st))
end

-- lost makes a gap of entries that Redis has not kept (an evicted or deleted list), so
-- that it is told, not skipped (D3).
local function lost(st)
  st.lt, st.lw = top(st), 'restarted'
  st.f, st.c, st.y, st.g, st.t = top(st) + 1, 0, 0, NONE, NONE
end

-- shed removes entries up to seq; those above sure only if they are older than the
-- retention.
local function shed(st, seq, sure)
  if st.sp then return sparse.tidy(st, seq, sure) end
  local before = NOW - st.b[4]
  local changed = false
  while st.c > 0 and st.f <= seq do
    local n = math.min(64, seq - st.f + 1)
    local els = redis.call('LRANGE', M, drop, drop + n - 1)
    if #els == 0 then lost(st) return true end
    for _, el in ipairs(els) do
      if st.f > sure and stamp(el) > before then return changed end
      changed = true
      miss(st, st.f, addressee(el))
      drop = drop + 1
      st.f, st.c, st.y = st.f + 1, st.c - 1, st.y - size(el)
      st.g = string.sub(el, 1, 4)
    end
  end
  return changed
end
local function tidy(st)
  local told = top(st) -- what is still to be reported stays
  for _, u in ipairs(st.un or {}) do told = math.min(told, u.f - 1) end
  return shed(st, math.min(told, passed(st, 1)), math.min(told, passed(st, 0)))
end

-- may returns whether the entries up to seq may leave for a new one, which the caller then
-- lets them do. If some reader needs them, it notes the loss: st.lt is the last of them,
-- and st.lw why they left. Both are nil if that was because their readers were away.
local function may(st, seq)
  forget(st)
  if seq <= passed(st, 1) then return true end
  if st.b[3] == 1 then
    st.lt, st.lw = seq, 'overflow'
  elseif linked(st) and seq <= passed(st, 2) then
    st.lt, st.lw = nil, nil
  elseif seq <= passed(st, 3) then
    st.lt, st.lw = seq, 'stalled'
  else
    return false
  end
  return true
end

-- room makes room for an entry of that size and returns whether it could; if not, nothing
-- has left (D5).
local function room(st, need)
  local b, freed = st.b, 0
  if need > b[2] or b[1] < 1 then return false end
  if st.c < b[1] and st.y + need <= b[2] then return true end
  local n = 0
  while st.c - n >= b[1] or st.y - freed + need > b[2] do
    local el = entry(st, st.f + n)
    if not el then lost(st) return true end
    freed = freed + size(el)
    n = n + 1
  end
  local last = st.f + n - 1
  if not may(st, last) then return false end
  shed(st, last, last)
  return true
end

