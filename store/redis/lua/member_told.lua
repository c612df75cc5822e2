-- TopicTold (T6): what the client of a link was told of a topic.
grow()
local st, no = load()
local name, number, topic, told = ARGV[7], tonumber(ARGV[8]), ARGV[9], ARGV[10]
no = no or denied(st, name, number)
if no then return { no } end
local ms, reads, is = members(st), false, nil
for _, m in ipairs(ms and ms.m or {}) do reads = reads or m.t == topic and covers(m, name, number) end
if not reads or repeated(ms) then return { 'ok' } end
if AGAIN then record(ms) end -- its first question may arrive later still
for _, t in ipairs(ms.t) do if t.l == number and t.t == topic then is = t end end
if not is then
  is = { l = number, t = topic }
  ms.t[#ms.t + 1] = is
end
is.d = told
save(st, false)
return { 'ok' }
