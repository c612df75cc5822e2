-- Who is present (T8). A member is: number in the order in which they came, entrances;
-- then '1' and the info, or '0'.
local MEMBER = '>I8I4'
local SALT = 16

local function members() return of('m'), of('e'), of('n') end

-- left removes an entrance that is in the hash of entrances. It returns whether the
-- member has left with it.
local function left(h, field)
  local M, E, N = members()
  local node = redis.call('HGET', E, field)
  redis.call('HDEL', E, field)
  if redis.call('HINCRBY', N, node, -1) <= 0 then redis.call('HDEL', N, node) end
  local id = string.sub(field, string.find(field, ':', 1, true) + 1)
  local m = redis.call('HGET', M, id)
  local came, n, rest = struct.unpack(MEMBER, m)
  if n > 1 then
    redis.call('HSET', M, id, struct.pack(MEMBER, came, n - 1) .. string.sub(m, rest))
    return false
  end
  redis.call('HDEL', M, id)
  h.members = h.members - 1
  return true
end

-- vacate removes the entrances of some nodes, except those kept, and tells it once.
local function vacate(h, nodes, kept)
  needsLittle()
  local gone = false
  local _, E = members()
  local all = redis.call('HGETALL', E)
  for i = 1, #all, 2 do
    if nodes[all[i + 1]] and not kept[all[i]] and left(h, all[i]) then gone = true end
  end
  save(h)
  touch(h)
  if gone then publish('m') end
end

-- sweep removes the entrances of nodes whose lease has expired.
local function sweep(h)
  if h.members == 0 then return end
  local dead, any = {}, false
  for _, node in ipairs(redis.call('HKEYS', of('n'))) do
    if node ~= ME and redis.call('EXISTS', K .. ':t:a:' .. node) == 0 then dead[node], any = true, true end
  end
  if any then vacate(h, dead, {}) end
end
