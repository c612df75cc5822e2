-- Inspect (O3): reads sessions for an operator. It changes nothing, and counts as nothing:
-- it does not even remove what is over, as other steps do.
--   list      describes the sessions of the epochs that follow
--   one       describes the session of the epoch, if it has the id
--   messages  returns its messages after a number
local what = ARGV[6]

-- peek returns the state, or nil if there is no session, or if it is about to end or to be
-- joined to another one.
local function peek(epoch)
  use(epoch)
  local s, h = redis.call('GET', S), redis.call('HGET', K .. ':h', epoch)
  if not s or not h or string.sub(s, 1, 1) == 'X' then return end
  local st = withhead(unpack(s), h, epoch)
  if not st.rv and not st.fz then return st end
end

local function int(n) return string.format('%.0f', n) end

-- linksof returns how many links a reader has that have not ended, and since when it has
-- none at all, or nil. A link whose node is silent counts as gone, as for forget.
local function linksof(r)
  local live, kept, last = 0, 0, r.g
  for _, k in ipairs(r.c) do
    local at, asked = silence(k)
    if asked and at <= NOW then
      last = math.max(last, at)
    else
      kept = kept + 1
      if k.e == '' then live = live + 1 end
    end
  end
  return live, kept == 0 and last or nil
end

-- describe returns the summary of a session, and its readers.
local function describe(st)
  local readers, n, links, idle = {}, 0, 0, st.z
  for _, r in ipairs(st.r) do
    local live, since = linksof(r)
    if not since then idle = nil elseif idle then idle = math.max(idle, since) end
    if not since or since > NOW - st.b[4] then
      n, links = n + 1, links + live
      for _, v in ipairs({ r.n, r.p and '1' or '0', int(live), int(r.a), int(math.max(r.a, r.s)),
        int(since and NOW - since or 0) }) do readers[#readers + 1] = v end
    end
  end
  return { st.i, int(st.sp and st.sp.n or st.c), int(st.y), int(n), int(links), int(idle and NOW - idle or 0) }, readers
end

if what == 'list' then
  local all = {}
  for i = 7, #ARGV do
    local st = peek(ARGV[i])
    if st then
      for _, v in ipairs((describe(st))) do all[#all + 1] = v end
    end
  end
  return { 'ok', all }
end

local st = peek(ARGV[7])
if not st or st.i ~= ARGV[8] then return { 'notfound' } end

if what == 'messages' then
  local most, all = tonumber(ARGV[10]), {}
  entries(st, tonumber(ARGV[9]) + 1, top(st), function(seq, el)
    if sparse.expired(el) then return end
    if #all >= 2 * most then return true end
    all[#all + 1], all[#all + 2] = int(seq), el
  end)
  return { 'ok', all }
end

local first, topics, bounds = st.f, {}, {}
if st.sp then
  local _, next = sparse.after(st, 0)
  first = next or top(st) + 1
end
for _, m in ipairs((members(st) or { m = {} }).m) do topics[#topics + 1] = m.t end
for i = 1, 9 do bounds[i] = int(st.b[i] or 0) end
local summary, readers = describe(st)
return { 'ok', summary, int(first), int(top(st)), int(st.m), bounds, readers, #st.w, topics }
