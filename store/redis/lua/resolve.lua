-- Resolve (I6, I11): whether values signed then are refused; else which ids lead here, where this client goes on, and whether the Move there is over.
local id, signed, client = ARGV[6], tonumber(ARGV[7]), ARGV[8]
local at = redis.call('GET', K .. ':r:' .. id)
if at and signed <= tonumber(at) then return { 'ok', 1 } end
local s = redis.call('GET', K .. ':a:' .. id)
local a = s and unpack(s)
local to = a and a.c == client and a.t or ''
local pending = to ~= '' and a.v ~= '' and redis.call('HGET', K .. ':i', id) == a.v and a.v or ''
return { 'ok', 0, redis.call('SMEMBERS', K .. ':o:' .. id), to, pending, redis.call('PTTL', K .. ':a:' .. id) }
