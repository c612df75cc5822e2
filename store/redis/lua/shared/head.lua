-- The state and the like are in MessagePack: half as much CPU and memory as JSON, which
-- is for servers that lack it (miniredis).
local codec = rawget(_G, 'cmsgpack')
local unpack_ = unpack
local pack, unpack = codec and codec.pack or cjson.encode, codec and codec.unpack or cjson.decode

-- The head of a log has what push.lua has to know. It is the only place of these values:
-- withhead adds them to the state, and packed leaves them out.
--   f, c, y   the first entry's number, how many there are, and their bytes
--   v         changes with all that a link must see, except entries that are for all
--   mg        how often the session has moved
--   g, t      the tags of the positions before the first entry and after the last; NONE if
--             unknown
--   b         1 to 3 of the bounds
--   nodes     those that had links when the head was written
local INHEAD = { 'f', 'c', 'y', 'v', 'mg', 'g', 't', 'e', 'b', 'nodes' }

-- What is 0 or '' is not packed.
local OFSTATE, OFREADER = { m = 0, x = 0, d = 0, fr = 0, q = 0, p = '' }, { t = 0, l = 0, lo = '', go = '' }
local function withdefaults(t, defaults)
  for name, value in pairs(defaults) do
    if rawget(t, name) == value then t[name] = nil end
  end
  return setmetatable(t, { __index = defaults })
end

-- nodesof returns the names of the nodes that have links of the session, and their places
-- in that list.
local function nodesof(st)
  local all, places = {}, {}
  for _, r in ipairs(st.r) do
    for _, k in ipairs(r.c) do
      if not places[k.w] then all[#all + 1], places[k.w] = k.w, #all + 1 end
    end
  end
  return table.concat(all), places
end

local function withhead(st, h, epoch)
  local b, at, may, _ = { 0, 0, 0, unpack_(st.b) }
  _, b[3], st.mg, b[1], b[2], _, st.v, st.c, st.y, st.f, may, st.g, st.t, at = struct.unpack(HEADFORMAT, h)
  if b[3] == 1 and st.kf and st.f > math.max(st.kf, may + 1) then -- push.lua let entries leave that a reader needed
    st.lt, st.lw = st.f - 1, 'overflow'
  end
  st.e, st.b, st.nodes = epoch, b, string.sub(h, at)
  for _, r in ipairs(st.r) do
    withdefaults(r, OFREADER)
    for _, k in ipairs(r.c) do k.w = string.sub(st.nodes, k.w * NODE - NODE + 1, k.w * NODE) end
  end
  return withdefaults(st, OFSTATE)
end

-- packed returns the state without what is in the head. A link's node is its place in the
-- list of nodes.
local function packed(st)
  local kept, places = {}, {}
  for _, name in ipairs(INHEAD) do kept[name], st[name] = st[name], nil end
  st.b = { unpack_(kept.b, 4) }
  st.kf = kept.b[3] == 1 and kept.f or nil -- to find what push.lua lets leave: see withhead
  kept.nodes, places = nodesof(st)
  for _, r in ipairs(st.r) do
    withdefaults(r, OFREADER)
    for _, k in ipairs(r.c) do k.w = places[k.w] end
  end
  local s = pack(withdefaults(st, OFSTATE))

  for name, value in pairs(kept) do st[name] = value end
  for _, r in ipairs(st.r) do
    for _, k in ipairs(r.c) do k.w = string.sub(st.nodes, k.w * NODE - NODE + 1, k.w * NODE) end
  end
  return s
end

local passed -- see overflow.lua

-- flagsof tells push.lua to leave appends to append.lua: all of them (COLD), those of a
-- broadcast (JOINED), or those for which something has to leave (SPECIAL).
local function flagsof(st)
  return ((st.fz or st.rv or st.sp) and COLD or 0) + (st.jt and st.jt >= st.f and JOINED or 0)
    + (st.to and st.to >= st.f and SPECIAL or 0)
end

-- inhead returns the head of a state that was just packed.
local function inhead(st)
  local b = st.b
  return struct.pack(HEADFORMAT, flagsof(st), b[3], st.mg, math.min(b[1], 2 ^ 32 - 1), math.min(b[2], 2 ^ 48 - 1),
    math.min(math.ceil(b[4] / 60000), FOREVER), st.v, st.c, st.y, st.f, passed(st, 1), st.g, st.t) .. st.nodes
end
