-- Append (D1, D5), for the entries that push.lua leaves to it. It has the number of a
-- batch on a lane, too: a repeat returns what the first one did (R3).
grow()
local lane, number = ARGV[9], tonumber(ARGV[10])
local was = answered(lane, number)
if was then return was == '' and { 'late' } or unpack(was) end

local function append()
  local st, no, is = load()
  local broadcast = #ARGV[6] == 16
  if not st then
    if broadcast and is and is.fz then return { 'frozen' } end
    return { no }
  end
  local el, to = ARGV[7], ARGV[8]
  local t, sent = string.sub(el, 1, 4), 0
  if special(el) then el, sent = sparse.complete(st, el) end
  if broadcast and st.jt then -- it may have come with a session that was joined to this one (I16)
    local at
    entries(st, st.jf, st.jt, function(seq, o)
      if string.sub(o, 1, 4) == t and sparse.content(o) == sparse.content(el) then at = seq end
      return at
    end)
    at = at or st.sp and sparse.removed(st, t, st.jf, st.jt)
    if at then return { 'ok', at } end
  end
  if to ~= '' and not reader(st, to) then return { 'notfound' } end
  if st.sp or special(el) then
    local seq, why = sparse.put(st, el)
    if why == 'outdated' then return { 'ok', 0, sent, 1 } end
    if why then return { why, st.i, string.gsub(nodesof(st), ME, '') ~= '' and 1 or 0 } end
    if to ~= '' then st.to = seq end
    save(st, true)
    return { 'ok', seq, sent, 1 }
  end
  if redis.call('LLEN', M) ~= st.c then -- Redis has not kept them all
    lost(st)
    write()
    redis.call('DEL', M)
  end
  if not room(st, size(el)) then return { 'full', st.i, string.gsub(nodesof(st), ME, '') ~= '' and 1 or 0 } end
  st.c, st.y, st.t = st.c + 1, st.y + size(el), t
  if to ~= '' then st.to = top(st) end
  save(st, true)
  redis.call('RPUSH', M, stamped(el))
  redis.call('PEXPIRE', M, math.max(LEASE, st.b[4]) + KEEP)
  return { 'ok', top(st) }
end

local answer = append()
remember(lane, number, pack(answer))
return answer
