-- The state and the like are in MessagePack: half as much CPU and memory as JSON, which
-- is for servers that lack it (miniredis).
local codec = rawget(_G, 'cmsgpack')
local pack, unpack = codec and codec.pack or cjson.encode, codec and codec.unpack or cjson.decode

-- The head of a log has what push.lua has to know. It is the only place of these values:
-- withhead adds them to the state, and inhead takes them out while the state is packed.
--   f, c, y   the first entry's number, how many there are, and their bytes
--   v         changes with all that a link must see, except entries that are for all
--   mg        how often the session has moved
--   g, t      the tags of the positions before the first entry and after the last; NONE if unknown
--   nodes     those that had links when the head was written
local function withhead(st, h, epoch)
  local _, at
  st.b = st.b or {}
  _, st.b[3], st.mg, st.b[1], st.b[2], st.b[4], st.v, st.c, st.y, st.f, _, st.g, st.t, at = struct.unpack(HEADFORMAT, h)
  st.e, st.nodes = epoch, string.sub(h, at)
  return st
end

-- nodesof returns the names of the nodes that have links of the session.
local function nodesof(st)
  local all, has = {}, {}
  for _, r in ipairs(st.r) do
    for _, k in ipairs(r.c) do
      if k.w and not has[k.w] then all[#all + 1], has[k.w] = k.w, true end
    end
  end
  return table.concat(all)
end

local passed -- see overflow.lua

-- flagsof tells push.lua to leave appends to append.lua: all of them (COLD), those of a
-- broadcast (JOINED), or those for which something has to leave (SPECIAL).
local function flagsof(st)
  return ((st.fz or st.rv or st.sp) and COLD or 0) + (st.jt and st.jt >= st.f and JOINED or 0)
    + (st.to and st.to >= st.f and SPECIAL or 0)
end

local function inhead(st)
  local b = st.b
  st.nodes = nodesof(st)
  return struct.pack(HEADFORMAT, flagsof(st), b[3], st.mg, math.min(b[1], 2 ^ 32 - 1), math.min(b[2], 2 ^ 48 - 1), b[4],
    st.v, st.c, st.y, st.f, passed(st, 1), st.g, st.t) .. st.nodes
end

-- packed returns the state without what is in the head.
local INHEAD = { 'f', 'c', 'y', 'v', 'mg', 'g', 't', 'e', 'nodes' }
local function packed(st)
  local kept = {}
  for _, name in ipairs(INHEAD) do kept[name], st[name] = st[name], nil end
  local s = pack(st)
  for name, value in pairs(kept) do st[name] = value end
  return s
end
