-- What is known of an id in its shard, for the scripts that are steps of an id. Their
-- second result is Redis's time, a lower bound for the node.
local TIME = string.format('%.0f', US)
local function bar(id) return tonumber(redis.call('GET', K .. ':r:' .. id) or 0) end
local function fence(id) return tonumber(redis.call('GET', K .. ':f:' .. id) or 0) end

-- refuses returns why a request with the id is refused (I11, I13); 'moved' if Rotate
-- revoked the id and the browser could not know yet (I14).
local function refuses(id, signed, came)
  if signed == '' or tonumber(signed) > bar(id) then return end
  if came ~= '' and tonumber(came) < fence(id) then return 'moved' end
  return 'revoked'
end

-- revoke refuses what was signed until at, for ms, and no shorter than before.
local function revoke(id, at, ms)
  local key = K .. ':r:' .. id
  local ttl = redis.call('PTTL', key)
  redis.call('SET', key, string.format('%.0f', math.max(at, bar(id))), 'PX', math.max(ms, ttl))
end

-- coming returns the epoch of a session that is on its way to the id, if any.
local function coming(id) return redis.call('GET', K .. ':p:' .. id) end

-- way returns where the id leads: t is the id there, c the client, g the token.
local function way(id)
  local s = redis.call('GET', K .. ':a:' .. id)
  return s and unpack(s)
end
