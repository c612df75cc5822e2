-- Resolve (I6, I11): whether values signed then are refused; else the old ways to id are over, and where its holder goes on.
local id, signed, client = ARGV[6], tonumber(ARGV[7]), ARGV[8]
local at = redis.call('GET', K .. ':r:' .. id)
if at and signed <= tonumber(at) then return { 'ok', id, 1 } end
settle(id)
for _ = 1, 8 do -- it may have moved several times, and in a circle if it comes to the worst
  local a = lead(id)
  if not a or a.c ~= client then break end
  id = a.t
end
return { 'ok', id, 0 }
