-- Expired (D6): one session that has had no link for its retention, for one caller alone; or how long until the next may be.
local g = grave(OP)
if g then return g end
local X, skip = K .. ':x', 0
for _ = 1, 100 do
  local first = redis.call('ZRANGE', X, skip, skip, 'WITHSCORES')
  if #first == 0 then return { 'none', skip > 0 and 1000 or 0 } end
  local id, at = first[1], tonumber(first[2])
  if at > NOW then return { 'none', skip > 0 and 1000 or at - NOW } end
  local e = redis.call('HGET', K .. ':i', id)
  local st = e and load(e)
  if not st then -- Redis has dropped it by itself
    redis.call('ZREM', X, id)
    redis.call('HDEL', K .. ':i', id)
  else
    forget(st)
    if not linked(st) and due(st) <= NOW then return finish(st, '', OP, false) end
    st.u = 0
    if not pcall(save, st, false) then skip = skip + 1 end -- no memory: it is looked at again
  end
end
return { 'none', 1 }
