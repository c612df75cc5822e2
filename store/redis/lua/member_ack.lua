-- AckTopics (T5): hash, epoch and seq of each position from 9 on. Nobody needs to be
-- woken for it.
local st, no = load()
local name, number = ARGV[7], tonumber(ARGV[8])
no = no or outdated(st, number)
if no then return { no } end
local r = reader(st, name)
if not r or #r.c == 0 and r.g <= NOW - st.b[4] then return { 'notfound' } end
local k, ms, changed = link(r, number), nil, false
if k and NOW - k.h >= 1000 then k.h, changed = NOW, true end
if #ARGV > 8 then ms = members(st) end

-- advanced returns a position, moved to another one unless it is further in its epoch.
local function advanced(e, s, epoch, seq)
  if e == epoch and s >= seq then return e, s end
  changed = true
  return epoch, seq
end
if ms and not repeated(ms) then
  if AGAIN then -- its first question may arrive later still
    record(ms)
    changed = true
  end
  for i = 9, #ARGV, 3 do
    local hash, epoch, seq = tonumber(ARGV[i]), tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
    for _, m in ipairs(ms.m) do
      if m.h == hash and covers(m, name, number) then
        m.ae, m.as = advanced(m.ae, m.as, epoch, seq)
        if m.r == '' then
          m.c = m.c or {}
          local has = m.c[name] or {}
          m.c[name] = { advanced(has[1], has[2], epoch, seq) }
        end
      end
    end
  end
end
if changed then save(st, false) end
return { 'ok' }
