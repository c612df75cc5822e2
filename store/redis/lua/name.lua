-- Move, and every call that finishes one, in the shard of an id. Each act may be
-- repeated, and may come late.
local act, id = ARGV[6], ARGV[7]
local I, A, O = K .. ':i', K .. ':a:' .. id, K .. ':o:' .. id
if act == 'look' then -- may the id move; where is its session, and where does the id lead
  local no = refuses(id, ARGV[8], ARGV[9])
  if no then return { no, TIME } end
  local w = way(id)
  return { 'ok', TIME, redis.call('HGET', I, id) or '', w and w.t or '', w and w.g or '' }
elseif act == 'leads' then -- does a way that leads here by that token count
  return { 'ok', TIME, redis.call('GET', O) == ARGV[8] and 1 or 0 }
end
write()
if act == 'point' then
  -- A session, if any, is about to come here. The id is in use (again), so it leads
  -- nowhere, and for so long others may lead here. If it has a way, that is returned
  -- first, unless its token is known. A first question that arrives after the second was
  -- answered must not bring a deleted token back.
  local came, keep, known = ARGV[8], tonumber(ARGV[9]), ARGV[10]
  local done = K .. ':z:' .. OP
  local was = redis.call('GET', done)
  if was then return { 'ok', TIME, was } end
  if came ~= '' and tonumber(came) <= bar(id) then return { 'revoked', TIME } end
  local w = way(id)
  if w and w.g ~= known then return { 'ok', TIME, '', w.t, w.g } end
  redis.call('DEL', A)
  if ARGV[11] ~= '' then redis.call('SET', K .. ':p:' .. id, ARGV[11], 'PX', 60000) end
  local token = keep > 0 and (redis.call('GET', O) or OP) or ''
  if token ~= '' and redis.call('PTTL', O) < keep then redis.call('SET', O, token, 'PX', keep) end
  if AGAIN then redis.call('SET', done, token, 'PX', 60000) end
  return { 'ok', TIME, token }
elseif act == 'prune' then -- the way by that token has ended, and with it those that lead to where it begins
  local w = way(id)
  if w and w.g == ARGV[8] then redis.call('DEL', A, O) end
  return { 'ok', TIME }
elseif act == 'leave' then
  -- The session at this place does not have the id any more. From now on the id is
  -- unsettled, perhaps revoked, and perhaps leads one client to where it went; all in one
  -- step, so that no crash parts them. Without a session ('') only the id moves, if it
  -- still may.
  local place, signed, came = ARGV[8], ARGV[9], ARGV[10]
  local to, client, keep, settle, refuse, token, now = ARGV[11], ARGV[12], tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15]), ARGV[16], tonumber(ARGV[17])
  local is = redis.call('HGET', I, id) or ''
  if is ~= place then return { 'ok', TIME, is } end
  if place == '' then
    local done = K .. ':z:' .. OP
    if redis.call('EXISTS', done) == 1 then return { 'ok', TIME, '' } end
    local no = refuses(id, signed, came)
    if no then return { no, TIME } end
    redis.call('SET', done, '', 'PX', 60000)
  end
  local at = math.max(US, now)
  if settle > 0 and (place ~= '' or fence(id) <= at) then
    redis.call('SET', K .. ':f:' .. id, string.format('%.0f', at + settle), 'PX', math.ceil(settle / 1000) + 60000)
  end
  if refuse > 0 then -- and ways that lead to it end
    revoke(id, at, refuse)
    redis.call('DEL', O)
  end
  if token ~= '' then redis.call('SET', A, pack({ t = to, c = client, g = token }), 'PX', keep) end
  redis.call('HDEL', I, id)
  return { 'ok', TIME, '' }
elseif act == 'claim' then -- v gets the id, unless another has it, or it was revoked since the request came that moves it: then nobody gets it
  local v, came = ARGV[8], ARGV[9]
  local is, at = redis.call('HGET', I, id), bar(id)
  if coming(id) == string.sub(v, 1, 16) then redis.call('DEL', K .. ':p:' .. id) end
  if is ~= v then
    if came ~= '' and tonumber(came) <= at then return { 'ok', TIME, '' } end
    if not is then
      redis.call('HSET', I, id, v)
      is = v
    end
  end
  return { 'ok', TIME, is, string.format('%.0f', at) }
elseif act == 'arrived' then -- the session has arrived, or will not
  if coming(id) == ARGV[8] then redis.call('DEL', K .. ':p:' .. id) end
  return { 'ok', TIME }
elseif act == 'drop' then -- v does not have the id any more; v may be an epoch, which counts after any moves
  local v = ARGV[8]
  local is = redis.call('HGET', I, id)
  if is and (is == v or string.sub(is, 1, 16) == v) then redis.call('HDEL', I, id) end
  return { 'ok', TIME }
end
