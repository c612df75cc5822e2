-- Ack (D4, D7): cumulative, from any link that the reader ever had, never beyond the top.
-- If it came to another node than the link, that node is woken, so that it knows.
local st, no = load()
no = no or outdated(st, tonumber(ARGV[8]))
if no then return { no } end
local r = reader(st, ARGV[7])
if not r or #r.c == 0 and r.g <= NOW - st.b[4] then return { 'notfound' } end
local epoch, seq = ARGV[9], tonumber(ARGV[10])
if epoch == st.e and seq > top(st) then return { beyond(ARGV[11]) } end
local k = link(r, tonumber(ARGV[8]))
local older = k and speak(st, r, k)
if epoch == st.e and not diverged(st, seq, ARGV[11]) then acknowledge(st, r, seq) end
save(st, older or k and k.w ~= ME)
return { 'ok', older and 1 or 0, r.a, short(st) and 1 or 0 }
