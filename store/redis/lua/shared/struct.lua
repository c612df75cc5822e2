-- The binary formats of a log's head, of an entry's header and of what is published.
-- Redis has the library struct; the rest is for servers that lack it (miniredis). It
-- knows big-endian numbers (B, In) and strings of fixed length (cn).
local struct = rawget(_G, 'struct') or (function()
  local function fields(format)
    local all = {}
    for kind, n in string.gmatch(format, '([BIc])(%d*)') do
      all[#all + 1] = { kind, kind == 'B' and 1 or tonumber(n) }
    end
    return all
  end
  local function pack(format, ...)
    local values, out = { ... }, {}
    for i, f in ipairs(fields(format)) do
      local bytes, n = {}, tonumber(values[i])
      for at = f[2], 1, -1 do
        if f[1] == 'c' then break end
        bytes[at] = string.char(n % 256)
        n = math.floor(n / 256)
      end
      out[i] = f[1] == 'c' and values[i] or table.concat(bytes)
    end
    return table.concat(out)
  end
  local function unpack_(format, s, at)
    local out = {}
    at = at or 1
    for i, f in ipairs(fields(format)) do
      local part, n = string.sub(s, at, at + f[2] - 1), 0
      for b = 1, f[1] == 'c' and 0 or f[2] do n = n * 256 + string.byte(part, b) end
      out[i], at = f[1] == 'c' and part or n, at + f[2]
    end
    out[#out + 1] = at
    return unpack(out)
  end
  return { pack = pack, unpack = unpack_ }
end)()

-- The head of a log (R1): flags, whether the oldest leave for the next (1), how often it
-- has moved, the bounds in messages and bytes, the retention in minutes, the version, how
-- many entries there are and their bytes, the first entry's number, the last entry that
-- may leave, the tags of the positions before the first entry and after the last. The
-- names of the nodes that have links follow.
local HEADFORMAT, NODE = '>BBI4I4I6I2I4I4I6I6I6c4c4', 8 -- the length of a node's name
local FOREVER = 65535 -- the retention is longer than can be said
local COLD, JOINED, SPECIAL = 1, 2, 4 -- flags: see head.lua
local NONE = '\0\0\0\0' -- the tag of a position that has none, or whose tag is forgotten

-- The entries and wake-ups that a node gets on its channel.
local ENTRYFORMAT = '>I4I4I6c4BI4' -- moves, version, seq, tag of the entry before, room is short, length

-- answered returns what the batch of that number was answered on its lane, or '' if a
-- later batch has come, so that nobody waits any more (R3).
local function answered(lane, number)
  local was = redis.call('GET', lane)
  if not was then return end
  local last, at = struct.unpack('>I8', was)
  if last == number then return string.sub(was, at) end
  if last > number then return '' end
end

local function remember(lane, number, answer)
  redis.call('SET', lane, struct.pack('>I8', number) .. answer, 'PX', 60000)
end
