-- What is for one reader alone is never lost in silence: if its reader is forgotten
-- before it has it, some link's Read reports it. Until then the entries stay for the end,
-- unless the log needs their room. st.to is the last such entry, st.un what is to be
-- reported: n and p are the reader, f and t the first and the last of these entries, u
-- when it may be reported.
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
  local last = math.min(st.to, top(st))
  for at = math.max(seq, st.f), last, 64 do
    local i = index(st, at)
    for n, el in ipairs(redis.call('LRANGE', M, i, i + math.min(64, last - at + 1) - 1)) do
      local name = addressee(el)
      if name then f(at + n - 1, name, el) end
    end
  end
end

-- giveup notes what a reader that is being forgotten did not get.
local function giveup(st, r)
  local lost = { n = r.n, p = r.p, f = r.mf, t = r.mt, u = 0 }
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

