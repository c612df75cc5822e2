-- What is for one reader alone is never lost in silence: if its reader is forgotten
-- before it has it, some link's Read reports it. Until then the entries stay for the end,
-- unless the log needs their room. st.to is the last such entry, st.un what is to be
-- reported: n and p are the reader, f and t the first and the last of these entries, u
-- when it may be reported; a is what the reader had, mf and mt those that have left.
local function addressee(el)
  local n = readerlen(el)
  return n > 0 and string.sub(el, HEAD + 1, HEAD + n)
end
local function has(r) return r.p and math.max(r.a, r.s) or r.a end
local function extend(lost, seq) lost.f, lost.t = math.min(lost.f or seq, seq), math.max(lost.t or seq, seq) end

-- alone calls f with the seq, the reader and the whole of each entry from seq on that is
-- for one reader alone.
local function alone(st, seq, f)
  if not st.to then return end
  entries(st, seq, st.to, function(at, el)
    local name = addressee(el)
    if name then f(at, name, el) end
  end)
end

-- miss notes that an entry for that reader alone leaves the log; false is for all.
local function miss(st, seq, name)
  if not name then return end
  local r = reader(st, name)
  if r and has(r) < seq then r.mf, r.mt = r.mf or seq, seq end
  for _, u in ipairs(st.un or {}) do
    if u.n == name and u.f <= seq and seq <= u.t then u.mf, u.mt = u.mf or seq, seq end
  end
end

-- narrow notes that an entry for that reader alone was superseded, or that its TTL is
-- over: it is no loss any more. What has left before, mf to mt, still is one.
local function narrow(st, name)
  if not name or not st.un then return end
  local un = {}
  for _, u in ipairs(st.un) do
    if u.n == name then
      local left = { f = u.mf, t = u.mt }
      alone(st, math.max(u.f, (u.a or 0) + 1), function(seq, is)
        if is == name and seq <= u.t then extend(left, seq) end
      end)
      u.f, u.t = left.f, left.t
    end
    if u.f then un[#un + 1] = u end
  end
  st.un = #un > 0 and un or nil
end

-- giveup notes what a reader that is being forgotten did not get.
local function giveup(st, r)
  local lost = { n = r.n, p = r.p, f = r.mf, t = r.mt, mf = r.mf, mt = r.mt, a = has(r), u = 0 }
  alone(st, has(r) + 1, function(seq, name) if name == r.n then extend(lost, seq) end end)
  if not lost.f then return end
  st.un = st.un or {}
  st.un[#st.un + 1] = lost
end

-- expect notes that an entry came for a reader that this log may not have met yet.
local function expect(st, name, seq)
  if not name then return end
  st.to = seq
  if reader(st, name) then return end
  st.un = st.un or {}
  for _, u in ipairs(st.un) do
    if u.n == name and u.u > 0 then return extend(u, seq) end
  end
  st.un[#st.un + 1] = { n = name, f = seq, t = seq, u = NOW + st.b[4] }
end

-- unread calls f with the seq and the whole of each entry for one reader alone that is at
-- or below the mark, and that its reader did not acknowledge.
local function unread(st, f)
  alone(st, 1, function(seq, name, el)
    local r = reader(st, name)
    local lacks = r and r.a < seq
    for _, u in ipairs(st.un or {}) do lacks = lacks or u.n == name and u.f <= seq and seq <= u.t end
    if seq <= st.m and lacks then f(seq, el) end
  end)
end

