-- What Move, and everybody who finds one half done, does in the shard of an id. Each act may be repeated, and may come late.
local act, id, v = ARGV[6], ARGV[7], ARGV[8]
local I = K .. ':i'
write()
if act == 'point' then -- id is in use (again), and from may come to lead here; for so long
  local from, keep = ARGV[9], tonumber(ARGV[10])
  redis.call('DEL', K .. ':a:' .. id)
  if keep > 0 then
    redis.call('SADD', K .. ':o:' .. id, from)
    if redis.call('PTTL', K .. ':o:' .. id) < keep then redis.call('PEXPIRE', K .. ':o:' .. id, keep) end
  end
  return { 'ok' }
elseif act == 'leave' then -- where the session is that is to move, and the way for who comes with the old id: at once, so that no crash parts the two
  local to, client, keep = ARGV[9], ARGV[10], tonumber(ARGV[11])
  local is = redis.call('HGET', I, id) or ''
  if keep > 0 then redis.call('SET', K .. ':a:' .. id, pack({ t = to, c = client, v = is }), 'PX', keep) end
  return { 'ok', is }
elseif act == 'claim' then -- id is v's, unless it is somebody's
  local is = redis.call('HGET', I, id)
  if not is then
    redis.call('HSET', I, id, v)
    is = v
  end
  return { 'ok', is }
elseif act == 'drop' then -- id is not v's any more; v may be an epoch, whatever its moves
  local is = redis.call('HGET', I, id)
  if is and (is == v or string.sub(is, 1, 16) == v) then redis.call('HDEL', I, id) end
  return { 'ok' }
elseif act == 'unlead' then -- id does not lead to v any more
  local s = redis.call('GET', K .. ':a:' .. id)
  if s and unpack(s).t == v then
    redis.call('DEL', K .. ':a:' .. id)
    return { 'ok', 1, redis.call('SMEMBERS', K .. ':o:' .. id) }
  end
  return { 'ok', 0 }
elseif act == 'ways' then -- which ids lead here
  return { 'ok', redis.call('SMEMBERS', K .. ':o:' .. id) }
elseif act == 'forget' then -- v does not lead here any more
  redis.call('SREM', K .. ':o:' .. id, v)
  return { 'ok' }
end
