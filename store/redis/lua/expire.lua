-- Expired (D6): one session that has had no link for its retention, for one caller alone; or how long until the next may be.
local g = AGAIN and grave(OP)
if g then return g end
local X = K .. ':x'
for _ = 1, 100 do
  local first = redis.call('ZRANGE', X, 0, 0, 'WITHSCORES')
  if #first == 0 then return { 'none', 0 } end
  local id, at = first[1], tonumber(first[2])
  if at > NOW then return { 'none', at - NOW } end
  local e = redis.call('HGET', K .. ':i', id)
  local st = e and load(e)
  if not st then -- Redis has dropped it by itself
    redis.call('ZREM', X, id)
    redis.call('HDEL', K .. ':i', id)
  else
    forget(st)
    if not linked(st) and due(st) <= NOW then return finish(st, '', OP, false) end
    st.u = 0
    save(st, false)
  end
end
return { 'none', 1 }
