-- Enter (T8). Info is '1' and the info, or '0'. If a log is given, the node enters again
-- what Redis has lost, unless that log has ended.
use(ARGV[6], ARGV[7])
local id, field, info, salt, only = ARGV[9], ARGV[10], ARGV[11], ARGV[12], tonumber(ARGV[13])
local M, E, N = members()
local h = head()
if only ~= 0 and h and (h.endedlog == only or h.epoch == 0) then return { 'notfound', int(NOW) } end
h = begun(h, tonumber(ARGV[8]))
save(h)
redis.call('SET', K .. ':t:a:' .. ME, '', 'PX', LEASE)

local own = redis.call('HGET', M, '') or salt .. '0'
if h.members == 0 then redis.call('DEL', M, E, N) end -- of an earlier head, which they have outlived
local m, changed = redis.call('HGET', M, id), false
local came, n, rest
if m then
  came, n, rest = struct.unpack(MEMBER, m)
  changed = string.sub(m, rest) ~= info
else
  came, n, changed = tonumber(string.sub(own, SALT + 1)) + 1, 0, true
  own = string.sub(own, 1, SALT) .. int(came)
  redis.call('HSET', M, '', own)
  h.members = h.members + 1
end

local node = redis.call('HGET', E, field)
if not node then
  n = n + 1
elseif node ~= ME and redis.call('HINCRBY', N, node, -1) <= 0 then
  redis.call('HDEL', N, node)
end
if node ~= ME then
  redis.call('HSET', E, field, ME)
  redis.call('HINCRBY', N, ME, 1)
end
redis.call('HSET', M, id, struct.pack(MEMBER, came, n) .. info)
save(h)
touch(h)
if changed then publish('m') end
return { 'ok', int(NOW), string.sub(own, 1, SALT), int(h.log), changed and 1 or 0 }
