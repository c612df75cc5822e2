-- What a node does for its topics of a shard now and then: it renews its lease, if it has
-- entrances, counts the topics as used, and compares their heads with its replicas. ARGV:
-- whether it has entrances in the shard; then the names, each with its Age.
needsLittle()
local alive = redis.call('PEXPIRE', K .. ':t:a:' .. ME, LEASE) == 1
if ARGV[6] == '1' and not alive then redis.call('SET', K .. ':t:a:' .. ME, '', 'PX', LEASE) end
local all = {}
for i = 7, #ARGV, 2 do
  use(ARGV[i], ARGV[i + 1])
  local h = head()
  if h then
    sweep(h)
    touch(h)
    local began = h.epoch ~= 0
    all[#all + 1] = int(h.epoch)
    all[#all + 1] = began and int(h.top) or '0'
    all[#all + 1] = began and string.sub(h.tags, -8) or ''
    all[#all + 1] = int(ended(h))
    all[#all + 1] = h.members > 0 and redis.call('HGET', of('n'), ME) or '0'
  else
    for _ = 1, 5 do all[#all + 1] = '0' end
  end
end
return { 'ok', int(NOW), alive and 1 or 0, all }
