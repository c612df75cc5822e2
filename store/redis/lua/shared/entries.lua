local function index(st, seq) return seq - st.f + drop end
local function entry(st, seq)
  if st.sp then return sparse.find(st, seq) end
  return redis.call('LINDEX', M, string.format('%.0f', index(st, seq)))
end

-- entries calls f with the number and the whole of each entry from seq to last, until f
-- returns true.
local function entries(st, seq, last, f)
  seq, last = math.max(seq, st.f), math.min(last, top(st))
  while seq <= last do
    local some, i
    if st.sp then
      some = redis.call('ZRANGEBYSCORE', M, seq, last, 'LIMIT', 0, 64)
    else
      i = index(st, seq)
      some = redis.call('LRANGE', M, i, i + math.min(64, last - seq + 1) - 1)
    end
    if #some == 0 then return end
    for _, el in ipairs(some) do
      if st.sp then seq, el = struct.unpack('>I6', el), string.sub(el, 7) end
      if f(seq, el) then return end
      seq = seq + 1
    end
  end
end

-- tag returns that of the position after seq, in hex; '' if there is none or it is not
-- known any more.
local function tag(st, seq)
  if seq == st.f - 1 then return hex(st.g) end
  if seq < st.f or seq > top(st) then return '' end
  if seq == top(st) then return hex(st.t) end
  if st.sp then return sparse.tagof(st, seq) end
  return hex(string.sub(entry(st, seq) or '', 1, 4))
end
local function diverged(st, seq, given)
  local is = given ~= '' and tag(st, seq) or ''
  return is ~= '' and is ~= given
end

-- beyond returns the answer to a position above the top. One with a tag was probably
-- given out, and Redis has lost it: its client opens a new link, whose hello says so; at
-- 'ahead' it would stop.
local function beyond(tag) return tag ~= '' and 'notfound' or 'ahead' end

local function reader(st, name)
  for i, r in ipairs(st.r) do if r.n == name then return r, i end end
end
local function link(r, number)
  for i, k in ipairs(r.c) do if k.n == number then return k, i end end
end
local function accepted(st, name)
  for _, w in ipairs(st.w) do if w.n == name then return w.l end end
  return '0'
end

-- short returns whether links should tell at once what they have acknowledged: the log is
-- more than half full, and an acknowledgement makes a difference to what may enter or
-- leave. header returns what a node has to know of the log to read from its tail; '' for
-- a sparse log, of which nodes have none.
local function short(st)
  return ((st.sp and st.sp.n or st.c) * 2 > st.b[1] or st.y * 2 > st.b[2]) and (st.b[3] == 0 or flagsof(st) >= SPECIAL)
end
local function header(st)
  if st.sp then return '' end
  return struct.pack(ENTRYFORMAT, st.mg, st.v, top(st), st.t, short(st) and 1 or 0, 0)
end
