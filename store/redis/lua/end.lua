-- End (D6, I11): revokes the id, with or without a session, and ends the session at once.
-- If that lies elsewhere, the caller goes there with its place. No value that was signed
-- before is later than Redis's time or, if its clock was set back, than the caller's.
local id, refuse, now, shard, v = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9], ARGV[10]
local function over(g)
  table.insert(g, 2, TIME)
  return g
end
local g = grave(OP)
if g then return over(g) end
if v == '' then
  -- A question that arrives after a later one does nothing: the id may be in use again.
  local asked, done = tonumber(ARGV[2]), K .. ':e:' .. OP
  if asked < tonumber(redis.call('GET', done) or 0) then return { 'notfound', TIME } end
  write()
  if AGAIN then redis.call('SET', done, ARGV[2], 'PX', 60000) end
  if refuse > 0 then
    revoke(id, math.max(US, now), refuse)
    redis.call('DEL', K .. ':f:' .. id, K .. ':a:' .. id, K .. ':o:' .. id)
  end
  v = redis.call('HGET', K .. ':i', id)
  local p = not v and coming(id)
  if p then return { 'coming', TIME, p } end
  if not v then return { 'notfound', TIME } end
  if tonumber(string.sub(v, 15, 16), 16) % 64 ~= tonumber(shard) then return { 'far', TIME, v } end
end
local st, tomb = raw(string.sub(v, 1, 16))
if st and not held(st, id, v) or tomb and tomb.d then return { 'unsettled', TIME, v } end
if not st then return { 'gone', TIME, v } end
return over(finish(st, refuse > 0 and 'revoked' or '', OP, false, 60000))
