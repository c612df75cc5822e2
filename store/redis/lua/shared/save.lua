-- wake wakes the links on all nodes but one: this node, which wakes its own, or the one
-- that is given. It is a hint: if channels are forbidden the step goes on, and the next
-- check of the log finds what it did.
local function wake(st, but)
  local told = { [but or ME] = true }
  local all = st.nodes .. nodesof(st)
  for at = 1, #all, NODE do
    local node = string.sub(all, at, at + NODE - 1)
    if not told[node] then
      told[node] = true
      redis.pcall(PUB, K .. ':n:' .. node, 'w' .. st.e)
    end
  end
end

-- save wakes the other nodes if stir is true, and all of them if it is ''. It writes the
-- state first: if Redis has no memory left, that is refused before anything has changed.
local function save(st, stir)
  if stir then st.v = (st.v + 1) % 1e9 end
  if linked(st) then st.z = 0 elseif st.z == 0 then st.z = NOW end
  local at = due(st)
  local moved = at < st.u or at > st.u + (st.z == 0 and LEASE / 8 or 0)
  if moved then st.u = at end
  local life = math.max(LEASE, st.b[4]) + KEEP
  write()
  if type(st.tp) == 'table' then st.tp = pack(st.tp) end
  local before = st.nodes
  if st.mg > 0 then -- the directory that names it may be in another shard: it must not expire on its own
    redis.call('SET', S, packed(st))
  else
    redis.call('SET', S, packed(st), 'PX', life)
  end
  redis.call('HSET', K .. ':h', st.e, inhead(st))
  if drop > 0 then
    redis.call('LTRIM', M, drop, -1)
    drop = 0
  end
  if moved then
    redis.call('ZADD', K .. ':x', string.format('%.0f', at), member(st))
    redis.call('PEXPIRE', M, life)
    if st.sp then sparse.keep(st) end
  end
  if stir then
    st.nodes = before
    wake(st, stir ~= true and stir)
  end
end

-- behead removes the head of a session that has ended.
local function behead(st) redis.call('HDEL', K .. ':h', st.e) end
