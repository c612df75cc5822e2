-- Redis has the library struct. Servers that lack it (miniredis) get the part of it that
-- is used here: big-endian numbers (In) and strings of fixed length (cn).
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
