-- Report (R4): what links were sent and have acknowledged, of several logs. None of these
-- acknowledgements is the first on its link. For each link: the base of the log's shard,
-- its place, the reader, the link's number, the last entry that it was sent, the
-- acknowledged one, and the tag of that position; 0 for nothing.
for i = 6, #ARGV, 7 do
  K = ARGV[i]
  local number, sent, seq = tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5])
  local st = load(ARGV[i + 1])
  local r = st and not outdated(st, number) and reader(st, ARGV[i + 2])
  if r then
    sent = math.min(sent, top(st))
    if sent > st.x then st.x = sent end
    if r.p and sent > r.s then r.s, r.tk = sent, NOW end
    local k, older = link(r, number), false
    if seq > 0 and seq <= top(st) and not diverged(st, seq, ARGV[i + 6]) then
      older = k and speak(st, r, k)
      acknowledge(st, r, seq)
    end
    save(st, older or seq > 0 and k and k.w ~= ME)
  end
end
return { 'ok' }
