-- Attach (D2, D7, D8, D9): makes a new link and finds the place from which it reads, or
-- lets another request carry an existing link.
local st, no = load()
no = no or refused(st, ARGV[14], ARGV[15])
if not no and undone(st) then no = 'notfound' end
if no then return { no } end
local name, plain, number, given = ARGV[7], ARGV[8] == '1', tonumber(ARGV[9]), ARGV[10]
local epoch, seq, tagged = ARGV[11], tonumber(ARGV[12]), ARGV[13]
if number == 0 then prune(st) end
forget(st)
local r = reader(st, name)

local function answer(k, turn, start, resumed, reason, from, to, prev, joined, fresh, mark)
  return { 'ok', k, turn, start, mark, resumed and 1 or 0, reason, from, to, st.x, accepted(st, name), prev, joined and 1 or 0, fresh and 1 or 0 }
end

-- before returns whether link a was heard of less recently than b, which may be nil.
local function before(a, b) return not b or a.h < b.h or a.h == b.h and a.n < b.n end

-- live returns how many links of a reader have not ended.
local function live(r)
  local n = 0
  for _, k in ipairs(r.c) do if k.e == '' then n = n + 1 end end
  return n
end

-- makeroom returns whether the reader, nil if it is new here, may have one more link
-- (L1), and whether another link had to end for that. It ends the one that was heard of
-- least recently: of those whose reader has another one, or else of all, if its client
-- was silent for long.
local function makeroom(st, r)
  local all, oldest, spare = 0, nil, nil
  for _, o in ipairs(st.r) do all = all + live(o) end
  if all < st.b[5] then return true, false end
  for _, o in ipairs(st.r) do
    local several = o == r or live(o) > 1
    for _, k in ipairs(o.c) do
      if k.e == '' then
        if before(k, oldest) then oldest = k end
        if several and before(k, spare) then spare = k end
      end
    end
  end
  if spare then
    spare.e = 'superseded'
    return true, true
  elseif not oldest then -- there are no links at all
    return true, false
  elseif NOW - oldest.h < (st.b[8] or 60000) then -- sessions of an earlier version have no b[8]
    return false, false
  end
  oldest.e = 'crowded'
  return true, true
end

if number > 0 then -- D9: this request gets the turn, and the client has spoken
  local k = r and link(r, number)
  if not k then return { 'notfound' } end
  if k.o == OP then return answer(k.n, k.t, r.a, true, '', 0, 0, '', false, false, tag(st, r.a)) end
  if k.e ~= '' then return { k.e == 'renewed' and 'notfound' or k.e } end
  if given == 'p' and epoch == st.e then
    if seq > top(st) then return { beyond(tagged) } end
    if diverged(st, seq, tagged) then return { 'notfound' } end -- the client opens a new link, whose hello says so
    acknowledge(st, r, seq)
  end
  speak(st, r, k)
  k.t, k.o, k.w = k.t + 1, OP, ME
  local mark = tag(st, r.a)
  save(st, true)
  return answer(k.n, k.t, r.a, true, '', 0, 0, '', false, false, mark)
end

local fresh, joined = not r, not r or not r.h
if r then -- asked again, or the first question arrives late
  for i, k in ipairs(r.c) do
    if k.o == OP then
      fresh, joined = k.f, k.j
      table.remove(r.c, i)
      sweep(st)
      break
    end
  end
end
local may, stir = makeroom(st, r)
if not may then return { 'crowded' } end
local start = r and r.a or (plain and math.max(st.m, st.x) or st.m)
local resumed, reason, from, to, owns = false, '', 0, 0, false
if given == 'n' then
  reason = 'new'
elseif given == 'm' then
  reason = 'malformed'
elseif epoch ~= st.e then
  from = seq + 1
  reason = string.sub(epoch, 1, 8) ~= string.sub(st.e, 1, 8) and 'restarted' or 'expired'
  for _, e in ipairs(st.ab) do if e == epoch then reason = 'moved' end end
  if not r then start = 0 end -- it has nothing of this epoch
elseif diverged(st, seq, tagged) then
  reason, from = 'diverged', seq + 1
elseif r and seq < r.a then -- it sent this before it acknowledged more on another link
  resumed, owns = true, true
elseif seq > top(st) then
  reason, from, to, start, owns = 'ahead', top(st) + 1, seq, top(st), true
elseif seq + 1 < st.f then
  reason, from, to, start, owns = 'trimmed', seq + 1, st.f - 1, seq, true
else
  resumed, start, owns = true, seq, true
end
if not r then
  r = { n = name, p = plain, h = false, a = start, s = start, t = 0, k = 0, l = 0, g = 0, c = {}, lo = '', go = '' }
  st.r[#st.r + 1] = r
  if st.un then -- what it has, or will read, is not lost to it
    local un = {}
    for _, u in ipairs(st.un) do if u.n ~= name or not owns and u.f <= start then un[#un + 1] = u end end
    st.un = #un > 0 and un or nil
  end
end
local mark = tag(st, start)
if reason == 'trimmed' then mark = tagged end
r.h, r.v, st.n = true, nil, st.n + 1
r.c[#r.c + 1] = { n = st.n, t = 1, h = NOW, r = NOW, e = '', o = OP, w = ME, f = fresh, j = joined }
if owns then acknowledge(st, r, start) end
save(st, stir)
return answer(st.n, 1, start, resumed, reason, from, to, NOW < st.q and st.p or '', joined, fresh, mark)
