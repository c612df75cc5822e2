-- depart notes that the reader has lost its last link.
local function depart(st, r, at)
  st.d = st.d + 1
  r.l, r.g = st.d, at
end

-- prune drops the oldest of the ended links if too many were not detached by their
-- owners. An owner that is alive learns of the end by Read, and detaches at once.
local function prune(st)
  local ended = {}
  for _, r in ipairs(st.r) do
    for _, k in ipairs(r.c) do
      if k.e ~= '' then ended[#ended + 1] = k end
    end
  end
  local over = #ended - st.b[5] - LINGERING
  if over <= 0 then return end
  table.sort(ended, function(a, b) return a.n < b.n end)
  local last = ended[over].n
  for _, r in ipairs(st.r) do
    local keep = {}
    for _, k in ipairs(r.c) do
      if k.e == '' or k.n > last then keep[#keep + 1] = k end
    end
    if #keep < #r.c then
      r.c = keep
      if #keep == 0 then
        depart(st, r, NOW)
        r.v = 'pruned' -- its owner is probably alive
      end
    end
  end
  sweep(st)
end

