-- Read (D1, D3, D7): what follows for a link, and what had to leave before it. If the
-- entry that the link read last has another tag now, Redis has lost what the link got, or
-- all of the session, and the client must reconnect and be told. The entries of a sparse
-- log come with their numbers.
local st, no, is = load()
if not st then
  local r = no == 'moved' and is and not is.fz and reader(is, ARGV[7])
  local k = r and link(r, tonumber(ARGV[8]))
  if k and k.e == 'superseded' then no = k.e end -- before the Move
  return { no == 'lost' and 'renewed' or no }
end
local name, number, turn = ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
local after, was, bytes = tonumber(ARGV[10]), ARGV[11], tonumber(ARGV[12])
local r = reader(st, name)
if not r then return { 'renewed' } end -- it was forgotten
local k = link(r, number)
if not k or k.t ~= turn then return { 'superseded' } end
if k.e ~= '' then return { k.e } end
if was ~= '' and (after > top(st) or diverged(st, after, was)) then return { 'renewed' } end
local dirty = false
if NOW - k.r > LEASE / 8 then k.r, dirty = NOW, true end
if after >= top(st) or st.sp and not sparse.after(st, after) then -- nothing new, so there is time
  dirty = forget(st) or dirty
  if st.un then -- is reported once, and again if the question is repeated
    local un, told = {}, {}
    for _, u in ipairs(st.un) do
      if u.u > NOW then
        un[#un + 1] = u
      else
        for _, v in ipairs({ u.n, u.p and '1' or '0', string.format('%.0f', u.f), string.format('%.0f', u.t) }) do told[#told + 1] = v end
      end
    end
    if #told > 0 then
      st.un, st.ul, st.uo, dirty = #un > 0 and un or nil, told, OP, true
    end
  end
  dirty = tidy(st) or dirty
end
after = math.max(after, r.a)
local gap, told = 0, 0
local from = after + 1
if from < st.f then
  gap = st.f - 1
  if r.t >= gap and not (AGAIN and r.lo == OP) then told = 1 end
  r.t, r.lo, r.mf, r.mt, dirty = gap, OP, nil, nil, true
  after = gap
end
local els, last, full = {}, top(st), false
local function take(seq, el)
  bytes = bytes - size(el)
  if bytes < 0 and #els > 0 then
    full = true
    return true
  end
  local n = readerlen(el)
  if n > 0 and string.sub(el, HEAD + 1, HEAD + n) ~= name then el = string.sub(el, 1, 4) end
  els[#els + 1] = st.sp and sparse.numbered(seq, el) or el
  after = seq
end
entries(st, after + 1, last, take)
if not st.sp and after < last and not full and #els == 0 then -- otherwise the next Read reports it
  lost(st)
  from, gap, told, after, r.t, dirty = gap > 0 and from or after + 1, last, 0, last, last, true
end
local more = full or not st.sp and after < last
if r.p and after > r.s then r.s, r.tk, dirty = after, NOW, true end
if after > st.x then st.x, dirty = after, true end
local mark, why = hex(st.g), ''
if gap > 0 then why = from <= (st.lt or 0) and st.lw or 'trimmed' end
if dirty then save(st, false) end
return { 'ok', gap > 0 and from or 0, gap, mark, told, r.a, accepted(st, name), more and 1 or 0,
  st.sp and 0 or after - #els + 1, els, st.uo == OP and st.ul or {}, st.tv or 0, header(st), why }
