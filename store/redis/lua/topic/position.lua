-- Position, and Begin: the topic begins if it has not.
use(ARGV[6], ARGV[7])
local h, new = begun(head(), tonumber(ARGV[8]))
if new then save(h) else touch(h) end
return { 'ok', int(NOW), int(h.epoch), int(h.top) }
