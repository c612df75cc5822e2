package redis

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/store"
)

// Deafen lets a Store hear nothing of what is published.
func (s *Store) Deafen() { s.Mute(func() bool { return true }) }

// Mute lets a Store miss each published message for which deaf returns true.
func (s *Store) Mute(deaf func() bool) { s.subscriber.deaf.Store(&deaf) }

var Warnings = warnings

func (s *Store) Prefix() string { return s.o.Prefix }

// Key is the key of that kind of the log with that epoch.
func (s *Store) Key(kind string, epoch uint64) string {
	return fmt.Sprintf("%s:%s:%016x", s.base[shardOfEpoch(epoch)], kind, epoch)
}

// Heads is the key of the heads of the logs in that one's shard.
func (s *Store) Heads(epoch uint64) string { return s.base[shardOfEpoch(epoch)] + ":h" }

// AppendTwice asks for one append twice, under one number, by push.lua or by append.lua.
func AppendTwice(s *Store, to store.Log, m *store.Message, cold bool) error {
	l := to.(*log)
	entry, tag := encode(m, "")
	a := l.appending(entry, tag, "", cold)
	n := s.lanesOf(l.shard)
	n.submit(context.Background(), a)
	<-a.decided
	again := l.appending(entry, tag, "", cold)
	n.mu.Lock()
	n.free[len(n.free)-1].last--
	n.mu.Unlock()
	n.submit(context.Background(), again)
	<-again.decided
	if again.at != a.at || again.answer.seq(1) != a.answer.seq(1) {
		return fmt.Errorf("the repeat was answered %v, %v, want %v, %v", again.at, again.answer, a.at, a.answer)
	}
	return again.err
}

// AppendLate sends an append whose number is below that of its lane's last batch.
func AppendLate(s *Store, to store.Log, cold bool) error {
	l := to.(*log)
	m := store.Text("late")
	entry, tag := encode(&m, "")
	a := l.appending(entry, tag, "", cold)
	n := s.lanesOf(l.shard)
	n.mu.Lock()
	lane := n.free[len(n.free)-1]
	lane.last -= 2
	n.mu.Unlock()
	n.submit(context.Background(), a)
	n.mu.Lock()
	lane.last++
	n.mu.Unlock()
	<-a.decided
	if a.answer.text(0) != "late" && !errors.Is(a.err, store.ErrUncertain) {
		return fmt.Errorf("a late question was answered %v, %v", a.answer, a.err)
	}
	return nil
}

var errLost = errors.New("the answer is lost")

// LoseAnswers loses half of the answers of scripts whose names begin so.
func LoseAnswers(s *Store, prefix string) {
	s.answered = func(script string, _ []string) error {
		if strings.HasPrefix(script, prefix) && rand.IntN(2) == 0 {
			return errLost
		}
		return nil
	}
}

// TakeTwice takes a step, of which the first answer is lost, so that it is repeated. The
// first question comes once more when late is called.
func TakeTwice(s *Store, of store.Log, step func() error) (late func() error, err error) {
	var name string
	var first []string
	s.answered = func(script string, argv []string) error {
		if first != nil {
			return nil
		}
		name, first = script, slices.Clone(argv)
		return errLost
	}
	err = step()
	s.answered = nil
	return func() error {
		a, err := s.once(context.Background(), of.(*log).shard, name, first)
		if err == nil {
			err = a.refusal()
		}
		return err
	}, err
}

// FillMemberships copies the first membership of a session until there are n.
func FillMemberships(s *Store, of store.Log, n int) error {
	const script = `
local st = cmsgpack.unpack(redis.call('GET', KEYS[1]))
local ms = cmsgpack.unpack(st.tp)
for i = #ms.m + 1, tonumber(ARGV[1]) do
  local m = {}
  for k, v in pairs(ms.m[1]) do m[k] = v end
  m.t = 'copy' .. i
  ms.m[i] = m
end
st.tp = cmsgpack.pack(ms)
redis.call('SET', KEYS[1], cmsgpack.pack(st), 'KEEPTTL')`
	l := of.(*log)
	key := s.base[l.shard] + ":s:" + l.hex
	eval := s.client.B().Eval().Script(script).Numkeys(1).Key(key).Arg(strconv.Itoa(n)).Build()
	if err := s.client.Do(context.Background(), eval).Error(); err != nil && !rueidis.IsRedisNil(err) {
		return err
	}
	return nil
}

// UndoTopics lets a link get its topics, and undoes that: the answer was lost.
func UndoTopics(s *Store, of store.Log, ref store.LinkRef) (notices int, err error) {
	l, name := of.(*log), escape(ref.Reader)
	ctx := context.Background()
	a, op, err := l.take(ctx, "member_topics", name, name, decimal(ref.Number), decimal(ref.Turn))
	if err == nil {
		args := []string{l.hex, "member_topics", op, name}
		_, err = s.repeat(ctx, l.shard, "undo", newOp(), 0, args)
	}
	return len(a.list(3)), err
}

// Cut lets the node die before a step.
func (s *Store) Cut(dies func() bool) { s.cut = dies }

func ShardOf(id string) int { return shardOf(escape(id)) }

// Hurry makes everything due that has to be looked at some time.
func Hurry(s *Store) {
	ctx := context.Background()
	for _, base := range s.base {
		all, _ := s.client.Do(ctx, s.client.B().Zrange().Key(base+":x").Min("0").Max("-1").Build()).AsStrSlice()
		for _, m := range all {
			s.client.Do(ctx, s.client.B().Zadd().Key(base+":x").ScoreMember().ScoreMember(1, m).Build())
		}
	}
}

// AskLate asks the shard of id for what has expired before it is, and lets the same
// question come a second time when it is.
func AskLate(s *Store, id string) error {
	ctx, shard := context.Background(), ShardOf(id)
	if _, err := s.repeat(ctx, shard, "expire", "op", 1, []string{"1", ""}); err != nil {
		return err
	}
	time.Sleep(350 * time.Millisecond)
	s.claims.last = 1
	a, err := s.repeat(ctx, shard, "expire", "op", 0, []string{"1", ""})
	if err == nil && a.text(0) != "none" {
		err = fmt.Errorf("the late question was answered %q", a.text(0))
	}
	return err
}

// Claim asks the shard of id for what has expired.
func Claim(s *Store, id string) error {
	_, err := s.claim(context.Background(), ShardOf(id), &store.Due{})
	return err
}

// ClaimAll asks every shard, due or not.
func ClaimAll(s *Store) (due store.Due, err error) {
	for shard := range shards {
		if _, err := s.claim(context.Background(), shard, &due); err != nil {
			return due, err
		}
	}
	return due, nil
}

// EndLate revokes an id by an end that was asked twice. Its first question comes when
// late is called.
func EndLate(s *Store, id string) (late func() error, err error) {
	end := func(before int) error {
		shard := ShardOf(id)
		_, err := s.repeat(context.Background(), shard, "end", "end", before,
			[]string{escape(id), "3600000", micros(s.Now()), fmt.Sprint(shard), ""})
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	}
	return func() error { return end(0) }, end(1)
}

// Directory is the key that says where the session id is.
func (s *Store) Directory(id string) string { return s.base[ShardOf(id)] + ":i" }

// CutAt calls f before the step of that number of what comes next, counted from 0, and
// never again.
func (s *Store) CutAt(step int, f func()) {
	n := 0
	s.cut = func() bool {
		n++
		if n == step+1 {
			f()
		}
		return false
	}
}

// Shift lets so much of the node's monotonic time have passed more.
func (s *Store) Shift(d time.Duration) {
	local := s.clock.local
	s.clock.local = func() time.Duration { return local() + d }
}

// Clock is that of a node alone: its machine's clock shows wall, and its monotonic time
// is set by the test.
type Clock struct {
	c     *clock
	Local time.Duration
}

func NewClock(wall time.Time) *Clock {
	c := &Clock{c: newClock()}
	c.c.local = func() time.Duration { return c.Local }
	c.c.wall = func() time.Time { return wall }
	return c
}

// Learn is an answer that comes now to a question of so long ago.
func (c *Clock) Learn(shard int, said time.Time, ago time.Duration) {
	c.c.learn(shard, said.UnixMicro(), c.Local-ago)
}

func (c *Clock) Now() time.Time { return c.c.read() }

// AppendTagged appends a message with that tag.
func AppendTagged(to store.Log, m *store.Message, tag uint32) error {
	l := to.(*log)
	entry, _ := encode(m, "")
	b := binary.BigEndian.AppendUint32(nil, tag)
	_, _, err := l.append(context.Background(), m, "", string(b)+entry[4:], tag)
	return err
}

// AppendSent appends a message with Key that counts as sent at that time.
func AppendSent(to store.Log, m *store.Message, at time.Time) error {
	entry, tag := encode(m, "")
	_, _, err := to.(*log).append(context.Background(), m, "", sentAt(entry, at.UnixMilli()), tag)
	return err
}

// PassTTL lets so much of all TTLs in a log have passed more.
func PassTTL(s *Store, of store.Log, d time.Duration) {
	const script = `
local S, M, U, d = KEYS[1], KEYS[2], KEYS[3], tonumber(ARGV[1])
local st = cmsgpack.unpack(redis.call('GET', S))
if not st.sp then return end
for _, v in ipairs(redis.call('ZRANGE', M, 0, -1)) do
  local seq = struct.unpack('>I6', v)
  if string.byte(v, 17) >= 2 then
    local sent, ends = struct.unpack('>I6I6', v, #v - 11)
    if ends > 0 then
      redis.call('ZREM', M, v)
      redis.call('ZADD', M, seq, string.sub(v, 1, #v - 12) .. struct.pack('>I6I6', sent - d, ends - d))
      redis.call('ZADD', U, ends - d, seq)
    end
  end
end
if st.sp.u then st.sp.u = st.sp.u - d end
redis.call('SET', S, cmsgpack.pack(st), 'KEEPTTL')`
	epoch := of.Handle().Epoch
	eval := s.client.B().Eval().Script(script).Numkeys(3).Key(s.Key("s", epoch), s.Key("m", epoch), s.Key("u", epoch))
	err := s.client.Do(context.Background(), eval.Arg(millis(d)).Build()).Error()
	if err != nil && !rueidis.IsRedisNil(err) {
		panic(err)
	}
}

// IDKey is the key of that kind of an id.
func (s *Store) IDKey(kind, id string) string {
	return s.base[ShardOf(id)] + ":" + kind + ":" + escape(id)
}

// PointLate lets from lead client to to, by a point that was asked twice. Its first
// question comes when late is called.
func PointLate(s *Store, from, to, client string) (late func() error, err error) {
	ctx := context.Background()
	i := newIntent(from, to, &store.Moving{Client: client, Keep: time.Hour, Settle: store.Settle}, s.Now())
	point := func(before int) (answer, error) {
		return s.repeat(ctx, shardOf(i.to), "name", "point", before, []string{"point", i.to, i.came, i.keep, "", ""})
	}
	a, err := point(1)
	if err == nil {
		i.token = a.text(2)
		_, err = s.leave(ctx, i)
	}
	return func() error { _, err := point(0); return err }, err
}

// PassTime waits until Now has come so far.
func (s *Store) PassTime(d time.Duration) {
	for start := s.Now(); s.Now().Sub(start) < d; {
		runtime.Gosched()
	}
}

// BeginLate is a Begin that Redis hears of when it was given back.
func BeginLate(s *Store, to store.Log, writer string, n uint64) (store.Turn, error) {
	l := to.(*log)
	args := []string{l.hex, "begin", "late", writer}
	if _, err := s.repeat(context.Background(), l.shard, "undo", newOp(), 0, args); err != nil {
		return 0, err
	}
	a, err := s.repeat(context.Background(), l.shard, "begin", "late", 0,
		[]string{l.place, writer, "1", decimal(n), "3600000", "0"})
	return turns[a.text(1)], err
}

// AttachLate is an Attach that Redis hears of when it was given back.
func AttachLate(s *Store, to store.Log, reader string) (answer, error) {
	l := to.(*log)
	args := []string{l.hex, "attach", "late", reader}
	if _, err := s.repeat(context.Background(), l.shard, "undo", newOp(), 0, args); err != nil {
		return nil, err
	}
	return s.repeat(context.Background(), l.shard, "attach", "late", 0,
		[]string{l.place, reader, "0", "0", "n", fmt.Sprintf("%016x", 0), "0", "", "", ""})
}

// Readers are those of a log in Redis, each with how many links it has.
func Readers(s *Store, of store.Log) string {
	const script = `
local st = cmsgpack.unpack(redis.call('GET', KEYS[1]))
local all = {}
for _, r in ipairs(st.r) do all[#all + 1] = r.n .. ':' .. #r.c end
return table.concat(all, ' ')`
	l := of.(*log)
	key := s.base[l.shard] + ":s:" + l.hex
	eval := s.client.B().Eval().Script(script).Numkeys(1).Key(key).Build()
	all, err := s.client.Do(context.Background(), eval).ToString()
	if err != nil {
		return err.Error()
	}
	return all
}

// Insists reports whether the Store still sees to the outcome of a step.
func (s *Store) Insists() bool {
	s.insists.mu.Lock()
	defer s.insists.mu.Unlock()
	return s.insists.n > 0
}

// Age moves what Redis remembers of times of links, readers and sessions back by d: the
// same as if its clock were set forward.
func Age(s *Store, d time.Duration) {
	const script = `
local d = tonumber(ARGV[1])
for _, key in ipairs(redis.call('KEYS', KEYS[1] .. ':s:*')) do
  local s = redis.call('GET', key)
  if string.sub(s, 1, 1) ~= 'X' then
    local st = cmsgpack.unpack(s)
    st.u = st.u - d
    if st.z > 0 then st.z = st.z - d end
    for _, r in ipairs(st.r) do
      if r.g > 0 then r.g = r.g - d end
      for _, k in ipairs(r.c) do k.r, k.h, k.q = k.r - d, k.h - d, k.q and k.q - d end
    end
    redis.call('SET', key, cmsgpack.pack(st))
  end
end
local x = redis.call('ZRANGE', KEYS[1] .. ':x', 0, -1)
for _, m in ipairs(x) do redis.call('ZINCRBY', KEYS[1] .. ':x', -d, m) end`
	for _, base := range s.base {
		eval := s.client.B().Eval().Script(script).Numkeys(1).Key(base).Arg(millis(d)).Build()
		err := s.client.Do(context.Background(), eval).Error()
		if err != nil && !rueidis.IsRedisNil(err) {
			panic(err)
		}
	}
}

// LinksOfTail returns of how many links this node keeps something for a watched log.
func LinksOfTail(s *Store, of store.Log) (inTail, inLog int) {
	l := of.(*log)
	if w, _ := s.watcher.find(l.hex); w != nil {
		w.tail.mu.Lock()
		inTail = len(w.tail.links)
		w.tail.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return inTail, len(l.read)
}
