-- Expired (D6, D7): gives one caller alone a session that has had no link for its
-- retention, or the readers of one whose departure nobody has reported; or says how long
-- until there may be more. What a node claims is kept until its next question says that
-- it has the answer. A question that arrives after a later one claims nothing.
local fence, heard = tonumber(ARGV[6]) * 1e4 + tonumber(ARGV[2]), ARGV[7]
local Q, X = K .. ':q:' .. ME, K .. ':x'
write()
if fence <= tonumber(redis.call('GET', Q) or 0) then return { 'none', 0 } end
redis.call('SET', Q, string.format('%.0f', fence), 'PX', KEEP)
if heard ~= '' then redis.call('DEL', K .. ':z:' .. heard, K .. ':y:' .. heard) end
local g = grave(OP)
if g then return g end
for _ = 1, 100 do
  local first = redis.call('ZRANGE', X, 0, 0, 'WITHSCORES')
  if #first == 0 then return { 'none', 0 } end
  local at = tonumber(first[2])
  if at > NOW then return { 'none', at - NOW } end
  local e, id = string.sub(first[1], 1, 16), string.sub(first[1], 18)
  local st, tomb = raw(e)
  if not st and not (tomb and tomb.d) then -- Redis has expired it
    redis.call('ZREM', X, first[1])
    return { 'dropped', id, e }
  end
  if tomb or st.mv then
    redis.call('ZADD', X, string.format('%.0f', NOW + SOON), first[1])
    return { 'unsettled', e }
  end
  if st.rv then return finish(st, 'revoked', OP, false, KEEP) end
  forget(st)
  if not linked(st) and st.z + st.b[4] <= NOW then return finish(st, '', OP, false, KEEP) end
  local left = {}
  for _, r in ipairs(st.r) do
    if r.h and #r.c == 0 and (r.v == true or r.g + LONG <= NOW) then
      r.h = false
      left[#left + 1] = r.n
      left[#left + 1] = r.p and '1' or '0'
    end
  end
  local asks = false
  for _, r in ipairs(st.r) do
    for _, k in ipairs(r.c) do
      local at, asked = silence(k)
      if not asked and at <= NOW then k.q, asks = NOW, '' end
    end
  end
  st.u = 0
  save(st, asks) -- nodes whose links are woken, read
  if #left > 0 then
    redis.call('SET', K .. ':z:' .. OP, pack({ i = st.i, e = st.e, l = left }), 'PX', KEEP)
    return grave(OP)
  end
end
return { 'none', 1 }
