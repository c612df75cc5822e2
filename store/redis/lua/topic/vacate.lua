-- The node closes: it gives up its lease, and its entrances in these topics. ARGV: the
-- names, each with its Age.
for i = 6, #ARGV, 2 do
  use(ARGV[i], ARGV[i + 1])
  local h = head()
  if h and h.members > 0 then vacate(h, { [ME] = true }, {}) end
end
redis.call('DEL', K .. ':t:a:' .. ME)
return { 'ok', int(NOW) }
