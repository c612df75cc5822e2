-- Resolve (I6, I11, I14): the state of an id that a request presents, and where its
-- client continues. With a token, a way led to the id by it: does that count, and where
-- does it lead on?
local id, token, client, signed, came, settle, named = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10], tonumber(ARGV[11]), ARGV[12] == '1'
local quiet = 0
if token ~= '' then
  if redis.call('GET', K .. ':o:' .. id) ~= token then return { 'ok', TIME, 'ended' } end
else
  if came ~= '' then
    local at = bar(id)
    if tonumber(came) < math.max(fence(id), at > 0 and at + settle or 0) then quiet = 1 end
  end
  local no = refuses(id, signed, came)
  if no then return { 'ok', TIME, no, quiet } end
  -- Its holder has presented it, so the ways that lead to it end.
  if not named and redis.call('EXISTS', K .. ':o:' .. id) == 1 then redis.call('DEL', K .. ':o:' .. id) end
end
local w = way(id)
if client ~= '' and w and w.c == client then return { 'ok', TIME, 'good', quiet, w.t, w.g } end
return { 'ok', TIME, 'good', quiet }
