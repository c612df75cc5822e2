-- Leave (D7): one caller alone is told that the reader has not come back.
local st, no = load()
if not st then return { no } end
local r = reader(st, ARGV[7])
if not r then return { 'ok', 0 } end
if r.go == OP then return { 'ok', 1 } end
if not r.h or r.l ~= tonumber(ARGV[8]) or #r.c > 0 then return { 'ok', 0 } end
r.h, r.go = false, OP
save(st, false)
return { 'ok', 1 }
