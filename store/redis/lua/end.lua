-- End (D6, I11): the id is revoked, session or not, and the session is over at once. Where that lies elsewhere, the caller goes there with its epoch.
local id, refuse, at, shard, v = ARGV[6], tonumber(ARGV[7]), ARGV[8], ARGV[9], ARGV[10]
local g = grave(OP)
if g then return g end
if v == '' then
  if refuse > 0 then
    write()
    local ttl = redis.call('PTTL', K .. ':r:' .. id)
    redis.call('SET', K .. ':r:' .. id, at, 'PX', math.max(refuse, ttl))
  end
  v = redis.call('HGET', K .. ':i', id)
  if not v then return { 'notfound' } end
  if tonumber(string.sub(v, 15, 16), 16) % 64 ~= tonumber(shard) then return { 'far', v } end
end
local st, tomb = raw(string.sub(v, 1, 16))
if st and (not held(st, id, v) or st.fz or st.mv) or tomb and tomb.d then return { 'unsettled', v } end
if not st then return { 'gone', v } end
return finish(st, refuse > 0 and 'revoked' or '', OP, false, 60000)
