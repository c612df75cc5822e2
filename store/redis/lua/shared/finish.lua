-- grave returns what an operation claimed, while it is remembered.
local function grave(op)
  local s = redis.call('GET', K .. ':z:' .. op)
  if not s then return nil end
  local g = unpack(s)
  if g.l then return { 'left', g.i, g.e, g.l } end
  local Y, below = K .. ':y:' .. op, {}
  if g.s then return { 'ok', g.i, g.e, 0, redis.call('LRANGE', Y, 0, -1), g.h, g.d, {} } end
  for i, n in ipairs(g.b or {}) do below[i] = i % 2 == 1 and string.format('%.0f', n) or redis.call('LINDEX', Y, n) end
  return { 'ok', g.i, g.e, g.f, redis.call('LRANGE', Y, g.n, -1), g.h, g.d, below }
end

-- finish ends a session and hands over what is above the mark (D6). Steps on the log get
-- why afterwards. The list of sessions that it has absorbed stays, in case a Move
-- repeats. While the directory in another shard names it, it stays in the index.
local function finish(st, why, op, here, life)
  write()
  local from, d = math.max(st.m + 1, st.f)
  if st.fr == 1 then
    d = { st.i, where(st) }
  elseif redis.call('HGET', K .. ':i', st.i) == where(st) then
    redis.call('HDEL', K .. ':i', st.i)
  end
  local g = { i = st.i, e = st.e, h = here and 1 or 0, d = d and 1 or 0 }
  if st.sp then
    g.s = true
    sparse.claim(st, K .. ':y:' .. op, life)
  else
    g.f, g.n, g.b = from, index(st, from), {} -- b: seq and index of what is below the mark, but to be handed over
    unread(st, function(seq) g.b[#g.b + 1], g.b[#g.b + 2] = seq, index(st, seq) end)
  end
  redis.call('SET', K .. ':z:' .. op, pack(g), 'PX', life)
  if redis.call('EXISTS', M) == 1 then
    redis.call('RENAME', M, K .. ':y:' .. op)
    redis.call('PEXPIRE', K .. ':y:' .. op, life)
  end
  local tomb = { w = why == '' and 'notfound' or why, i = why ~= '' and st.i or nil, ab = st.ab, mg = st.mg, d = d, k = d and member(st) }
  redis.call('SET', S, 'X' .. pack(tomb), 'PX', why == '' and #st.ab == 0 and not d and LEASE or LEASE + KEEP)
  if d then
    redis.call('ZADD', K .. ':x', string.format('%.0f', NOW + SOON), member(st))
  else
    redis.call('ZREM', K .. ':x', member(st))
  end
  behead(st)
  wake(st)
  return grave(op)
end
