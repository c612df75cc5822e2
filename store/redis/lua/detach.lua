-- Detach (D7): the link ends. With the reader's last one a departure begins, with the
-- session's last one its retention (D6).
local st, no = load()
if not st then return { no } end
local r = reader(st, ARGV[7])
if not r then return { 'ok', 0, 1 } end
if r.lo == OP and #r.c == 0 then return { 'ok', r.l, 1 } end
local k, i = link(r, tonumber(ARGV[8]))
if not k and #r.c == 0 and r.v and r.h then -- the store has ended it: its owner reports the departure
  r.v, r.lo = nil, OP
  save(st, false)
  return { 'ok', r.l, 1 }
end
local turn = tonumber(ARGV[9]) -- 0 is whichever request carries it
if not k or turn > 0 and k.t ~= turn then return { 'ok', 0, k and 0 or 1 } end
table.remove(r.c, i)
sweep(st)
local left = 0
if #r.c == 0 then
  depart(st, r, NOW)
  r.lo, left = OP, r.l
end
save(st, false)
return { 'ok', left, 1 }
