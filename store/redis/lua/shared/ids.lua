-- What is known of an id in its shard, for the scripts that are steps of an id. Their
-- second answer is Redis's time, from which the node knows how late it is at least.
local TIME = string.format('%.0f', US)
local function bar(id) return tonumber(redis.call('GET', K .. ':r:' .. id) or 0) end
local function fence(id) return tonumber(redis.call('GET', K .. ':f:' .. id) or 0) end

-- refuses is why what was asked with the id does not count (I11, I13); 'moved' where
-- Rotate revoked it and the browser could not know yet (I14).
local function refuses(id, signed, came)
  if signed == '' or tonumber(signed) > bar(id) then return end
  if came ~= '' and tonumber(came) < fence(id) then return 'moved' end
  return 'revoked'
end

-- revoke refuses what was signed until at, for so many ms, and no shorter than before.
local function revoke(id, at, ms)
  local key = K .. ':r:' .. id
  local ttl = redis.call('PTTL', key)
  redis.call('SET', key, string.format('%.0f', math.max(at, bar(id))), 'PX', math.max(ms, ttl))
end

-- coming is the epoch of a session that is on its way to the id, if any.
local function coming(id) return redis.call('GET', K .. ':p:' .. id) end

-- way is where the id leads: t is the id there, c the client, g the token.
local function way(id)
  local s = redis.call('GET', K .. ':a:' .. id)
  return s and unpack(s)
end
