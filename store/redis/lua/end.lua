-- End (D6, I11): the session is over at once, and with refuse the id is revoked, session or not.
local g = grave(OP)
if g then return g end
local id, refuse, at = ARGV[6], tonumber(ARGV[7]), ARGV[8]
if refuse > 0 then
  settle(id)
  local ttl = redis.call('PTTL', K .. ':r:' .. id)
  redis.call('SET', K .. ':r:' .. id, at, 'PX', math.max(refuse, ttl))
end
local e = redis.call('HGET', K .. ':i', id)
local st = e and load(e)
if not st then return { 'notfound' } end
return finish(st, refuse > 0 and 'R' or '', OP, false)
