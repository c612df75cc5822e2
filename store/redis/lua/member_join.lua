-- JoinTopic (T2, T6). 7 and 8 are the reader and the link, 9 the topic and its hash, 11
-- the place; 14 is Again, 15 what Removals returned, 16 Max, and 17 the info after "i".
grow()
local st, no = load()
local name, number = ARGV[7], tonumber(ARGV[8])
no = no or denied(st, name, number)
if no then return { no } end
local ms, again = joinable(st), ARGV[14] == '1'
if repeated(ms) then return { 'ok' } end
if number > 0 and not again and ARGV[15] ~= string.format('%.0f', ms.x) then return { 'removed' } end
local m = { t = ARGV[9], h = tonumber(ARGV[10]), r = name, k = number, x = tonumber(ARGV[16]) }
m.e, m.s, m.b = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
no = join(st, m, again, ARGV[17] ~= '' and string.sub(ARGV[17], 2) or nil)
if no then return { no } end
record(ms)
save(st, true)
return { 'ok' }
