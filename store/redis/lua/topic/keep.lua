-- The node removes its entrances in a topic, except those whose fields are given: it does
-- not know the others, because answers were lost.
use(ARGV[6], ARGV[7])
local h = head()
if h and h.members > 0 then
  local kept = {}
  for i = 8, #ARGV do kept[ARGV[i]] = true end
  vacate(h, { [ME] = true }, kept)
end
return { 'ok', int(NOW) }
