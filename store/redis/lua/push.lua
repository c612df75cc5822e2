-- Push (R1, R3): a numbered batch of appends, without the prelude. It knows only the
-- heads of the logs. What is unusual about an entry or its log makes its answer all
-- zeros, for which the node takes append.lua.
--
-- KEYS[1] is the base by which the batch is published, KEYS[2] never exists. ARGV: the
-- lane, the number of the batch, the node, PUBLISH or SPUBLISH, the lease in ms; then for
-- each entry: the base of its log's shard, the epoch, the moves ('' for any), the tag,
-- and what follows the time.
local lane, number, ME, PUB, LEASE = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
local was = answered(lane, number)
if was then return was end

local call, sub, pack, unpack = redis.call, string.sub, struct.pack, struct.unpack
local clock = call('TIME')
local stamp = pack('>I6', clock[1] * 1000 + math.floor(clock[2] / 1000))
local answers, n = {}, 0
local frames, nodes = {}, {}
local NOTHING = string.rep('\0', 23)
for i = 6, #ARGV, 5 do
  local base, e, moves, tag, rest = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local H, M = base .. ':h', base .. ':m:' .. e
  local h = call('HGET', H, e)
  local answer
  if h then
    local flags, over, mg, b1, b2, b4, v, c, y, f, p, g, t, at = unpack(HEADFORMAT, h)
    local need = #rest + 91 -- Message.Size: the rest has 5 bytes that do not count, and 96 are added
    local fits = y + need <= b2
    local hot = flags % 2 < COLD and (moves == '' or mg == tonumber(moves)) and (moves ~= '' or flags % 4 < JOINED)
    if not fits or c >= b1 then -- something has to leave
      hot = hot and flags % 8 < SPECIAL and need <= b2 and b1 > 0 and (over == 1 or fits and f <= p)
    end
    if hot then
      local el = tag .. stamp .. rest
      local len = call('RPUSH', M, el)
      if len == 1 and b4 < FOREVER then call('PEXPIRE', M, math.max(LEASE, b4 * 60000) + 3600000) end
      if len ~= c + 1 then -- Redis has not kept the entries
        call('RPOP', M)
      else
        c, y = c + 1, y + need
        while c > b1 or y > b2 do
          local old = call('LPOP', M)
          f, c, y, g = f + 1, c - 1, y - (#old + 81), sub(old, 1, 4)
        end
        call('HSET', H, e, pack(HEADFORMAT, flags, over, mg, b1, b2, b4, v, c, y, f, p, g, tag) .. sub(h, at))
        local short = (c * 2 > b1 or y * 2 > b2) and (over == 0 or flags % 8 >= SPECIAL)
        local header = pack(ENTRYFORMAT, mg, v, f + c - 1, t, short and 1 or 0, #el)
        answer = header
        local frame
        while at < #h do
          local node = sub(h, at, at + NODE - 1)
          at = at + NODE
          if node ~= ME then
            frame = frame or e .. header .. el
            local to = frames[node]
            if not to then
              to = { 'e' }
              frames[node], nodes[#nodes + 1] = to, node
            end
            to[#to + 1] = frame
          end
        end
      end
    end
  end
  n = n + 1
  answers[n] = answer or NOTHING
end

local all = table.concat(answers)
remember(lane, number, all)
for _, node in ipairs(nodes) do redis.pcall(PUB, KEYS[1] .. ':n:' .. node, table.concat(frames[node])) end
return all
