package redis_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// keyed returns a message with that key, which is its data's first word.
func keyed(s string) *store.Message {
	key, _, _ := strings.Cut(s, " ")
	return &store.Message{Key: key, Data: []byte(s)}
}

func putMessage(t testing.TB, l store.Log, m *store.Message) store.Position {
	t.Helper()
	p, err := l.Append(ctx, m, "")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// readAll reads what follows, and describes it: "1:a", after "gap 1-2" if there is one.
func readAll(t testing.TB, l store.Log, link store.LinkRef, after uint64) (got string, last uint64) {
	t.Helper()
	var all []string
	for {
		entries, tail, err := l.Read(ctx, link, after, 1<<20, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !tail.Gap.IsZero() {
			all = append(all, fmt.Sprintf("gap %d-%d", tail.Gap.From, tail.Gap.To))
			after = tail.Gap.To
		}
		for _, e := range entries {
			all = append(all, fmt.Sprintf("%d:%s", e.Seq, e.Message.Data))
			after = e.Seq
		}
		if !tail.More {
			return strings.Join(all, " "), after
		}
	}
}

// number runs a command whose answer is a number.
func number(t testing.TB, c rueidis.Client, args ...string) int64 {
	t.Helper()
	n, err := c.Do(ctx, c.B().Arbitrary(args...).Build()).AsInt64()
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return n
}

// However often a key is updated, Redis holds its latest value alone.
func TestM1ManyUpdatesTakeNoRoom(t *testing.T) {
	t.Parallel()
	c := dial(t, startServer(t).addr)
	s := newStore(t, c, redis.Options{})
	l := open(t, s, "a")
	attach(t, l, "slow")
	epoch := l.Handle().Epoch
	use := func() (all int64) {
		for _, kind := range []string{"s", "m", "k", "u"} {
			if number(t, c, "EXISTS", s.Key(kind, epoch)) > 0 {
				all += number(t, c, "MEMORY", "USAGE", s.Key(kind, epoch))
			}
		}
		return all
	}

	var before int64
	for i := range 4000 {
		m := keyed(fmt.Sprint("k ", i%10))
		if i%2 == 0 {
			m.TTL = time.Hour
		}
		putMessage(t, l, m)
		if i == 400 {
			before = use()
		}
	}
	if after := use(); after > before+256 {
		t.Errorf("400 updates take %d bytes, 4000 take %d", before, after)
	}
	for _, kind := range []string{"m", "u"} {
		if n := number(t, c, "ZCARD", s.Key(kind, epoch)); n > 1 {
			t.Errorf("%d entries in %s", n, kind)
		}
	}
}

// Once all is acknowledged, the log is a list again, and nothing else is left.
func TestM1SparseLogBecomesAList(t *testing.T) {
	t.Parallel()
	c := dial(t, startServer(t).addr)
	s := newStore(t, c, redis.Options{})
	l := open(t, s, "a")
	link, epoch := attach(t, l, "r"), l.Handle().Epoch
	kind := func() string {
		of, err := c.Do(ctx, c.B().Type().Key(s.Key("m", epoch)).Build()).ToString()
		if err != nil {
			t.Fatal(err)
		}
		return of
	}

	after, want := uint64(0), uint64(0)
	for range 3 {
		put(t, l, "plain")
		if got := kind(); got != "list" {
			t.Fatalf("a log without keys is a %s", got)
		}
		for _, m := range []*store.Message{keyed("k 1"), keyed("k 2"), {TTL: time.Hour, Data: []byte("ttl")}} {
			putMessage(t, l, m)
		}
		if got := kind(); got != "zset" {
			t.Fatalf("a log with keys is a %s", got)
		}
		got, last := readAll(t, l, link, after)
		if expect := fmt.Sprintf("%d:plain %d:k 2 %d:ttl", want+1, want+3, want+4); got != expect {
			t.Fatalf("read %q, want %q", got, expect)
		}
		if err := l.Ack(ctx, link, store.Position{Epoch: epoch, Seq: last}); err != nil {
			t.Fatal(err)
		}
		if n := number(t, c, "EXISTS", s.Key("m", epoch), s.Key("k", epoch), s.Key("u", epoch)); n > 0 {
			t.Errorf("%d keys are left", n)
		}
		after, want = last, want+4
	}
	if _, err := s.End(ctx, "a", 0); err != nil {
		t.Fatal(err)
	}
}

// On a full Redis, a message with a key that makes the log sparse, or takes room, changes
// nothing.
func TestM1OnAFullRedis(t *testing.T) {
	t.Parallel()
	server := startServer(t, "--maxmemory-policy", "noeviction")
	s := newStore(t, dial(t, server.addr), redis.Options{})
	l := open(t, s, "a")
	link := attach(t, l, "r")
	put(t, l, "1", "2")
	full := func(m *store.Message) {
		t.Helper()
		server.do("CONFIG", "SET", "maxmemory", "1")
		if _, err := l.Append(ctx, m, ""); !errors.Is(err, store.ErrFull) {
			t.Errorf("Append: %v, want ErrFull", err)
		}
		server.do("CONFIG", "SET", "maxmemory", "0")
	}

	full(keyed("k 1"))
	full(&store.Message{TTL: time.Hour})
	if got, _ := readAll(t, l, link, 0); got != "1:1 2:2" {
		t.Errorf("read %q", got)
	}
	putMessage(t, l, keyed("k 1"))
	full(keyed("other"))
	full(&store.Message{})
	putMessage(t, l, keyed("k 2"))
	if got, _ := readAll(t, l, link, 0); got != "1:1 2:2 4:k 2" {
		t.Errorf("read %q", got)
	}
}

// If Redis loses entries of a log that is sparse, or becomes it, readers are told.
func TestD3LostEntriesOfASparseLog(t *testing.T) {
	t.Parallel()
	c := dial(t, startServer(t).addr)
	s := newStore(t, c, redis.Options{})
	for _, tt := range []struct {
		name  string
		first func(l store.Log)
		lose  []string
		next  *store.Message
	}{
		{"all of a sparse log", func(l store.Log) {
			for _, text := range []string{"k 1", "k 2", "l 1"} {
				putMessage(t, l, keyed(text))
			}
		}, []string{"DEL"}, &store.Message{Data: []byte("k 4")}},
		{"one of a sparse log", func(l store.Log) {
			put(t, l, "1", "2")
			putMessage(t, l, keyed("k 3"))
		}, []string{"ZPOPMIN"}, keyed("k 4")},
		{"all of a list", func(l store.Log) { put(t, l, "1", "2", "3") }, []string{"DEL"}, keyed("k 4")},
		{"one of a list", func(l store.Log) { put(t, l, "1", "2", "3") }, []string{"LPOP"}, keyed("k 4")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := open(t, s, tt.name)
			link := attach(t, l, "r")
			tt.first(l)
			key := s.Key("m", l.Handle().Epoch)
			if err := c.Do(ctx, c.B().Arbitrary(tt.lose...).Keys(key).Build()).Error(); err != nil {
				t.Fatal(err)
			}
			putMessage(t, l, tt.next)
			_, tail, err := l.Read(ctx, link, 0, 1, nil)
			if err != nil || tail.GapReason != store.MissingRestarted {
				t.Errorf("the reason of the gap is %q, %v", tail.GapReason, err)
			}
			if got, _ := readAll(t, l, link, 0); got != "gap 1-3 4:k 4" {
				t.Errorf("read %q", got)
			}
		})
	}
}

// A message is never outdated by one that was sent before, if Redis's clock was set back.
func TestM1ClockSetBack(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	l := open(t, s, "a")
	link := attach(t, l, "r")
	if err := redis.AppendSent(l, keyed("k 1"), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	putMessage(t, l, keyed("k 2"))
	putMessage(t, l, keyed("k 3"))
	if err := redis.AppendSent(l, keyed("k old"), time.Now()); err != nil {
		t.Fatal(err)
	}
	if got, _ := readAll(t, l, link, 0); got != "3:k 3" {
		t.Errorf("read %q", got)
	}
}

// Readers, and who ends the session, get Key and TTL with the message.
func TestM1KeyAndTTLComeBack(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	l := open(t, s, "a")
	link := attach(t, l, "r")
	want := []store.Message{
		{Event: "e", Key: "käy", TTL: 90 * time.Second, Data: []byte("data")},
		{Key: strings.Repeat("k", store.MaxKey), Data: []byte{0, 255}, Binary: true},
		{TTL: time.Hour, Data: []byte{}},
		{Event: "plain", Data: []byte("key")},
	}
	for i := range want {
		putMessage(t, l, &want[i])
	}
	entries, _, err := l.Read(ctx, link, 0, 1<<20, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.End(ctx, "a", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range [][]store.Entry{entries, e.Messages} {
		if len(got) != len(want) {
			t.Fatalf("%d messages", len(got))
		}
		for i := range got {
			if !reflect.DeepEqual(*got[i].Message, want[i]) || got[i].Seq != uint64(i+1) {
				t.Errorf("%d: %+v, want %+v", got[i].Seq, *got[i].Message, want[i])
			}
		}
	}
}

// What the log knows of keys and TTLs lives as long as the log.
func TestM1KeysLiveAsLongAsTheLog(t *testing.T) {
	t.Parallel()
	c := dial(t, startServer(t).addr)
	s := newStore(t, c, redis.Options{Lease: time.Second})
	l := open(t, s, "a")
	link := attach(t, l, "r")
	putMessage(t, l, &store.Message{Key: "k", TTL: time.Hour})
	for _, kind := range []string{"m", "k", "u"} {
		key := s.Key(kind, l.Handle().Epoch)
		if number(t, c, "PEXPIRE", key, "60000") != 1 {
			t.Fatal("there is no ", kind)
		}
		until(t, kind+" lives longer again", func() bool {
			readAll(t, l, link, 0)
			return number(t, c, "PTTL", key) > 3600_000
		})
	}
}

// A position of another history is told, also if its number was superseded in this one.
func TestD2DivergedAtASupersededNumber(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	l := open(t, s, "a")
	first := putMessage(t, l, keyed("k 1"))
	last := putMessage(t, l, keyed("k 2"))
	for _, p := range []store.Position{first, last} {
		for _, other := range []bool{false, true} {
			if other {
				p.Tag ^= 1
			}
			a, err := l.Attach(ctx, store.Claim{Reader: fmt.Sprint(p), Given: store.GivenPresented, Position: p})
			if err != nil {
				t.Fatal(err)
			}
			if other != (a.Reason == store.MissingDiverged) || other == a.Resumed {
				t.Errorf("at %v: resumed %v, %q", p, a.Resumed, a.Reason)
			}
		}
	}
}

// Messages with and without keys from two nodes, of which one is deaf: the reader gets
// every message, except those that were superseded before it read them.
func TestM1AcrossNodes(t *testing.T) {
	t.Parallel()
	client := dial(t, startServer(t).addr)
	for _, deaf := range []bool{false, true} {
		t.Run(fmt.Sprint("deaf ", deaf), func(t *testing.T) {
			t.Parallel()
			o := redis.Options{Prefix: fmt.Sprint("keys-", deaf), SafetyRead: 50 * time.Millisecond}
			near, far := newStore(t, client, o), newStore(t, client, o)
			if deaf {
				near.Deafen()
			}
			l := open(t, near, "a")
			logs := []store.Log{l, open(t, far, "a")}
			link := attach(t, l, "r")
			woken := make(chan struct{}, 1)
			defer l.Watch(func() {
				select {
				case woken <- struct{}{}:
				default:
				}
			})()

			type sent struct {
				seq  uint64
				text string
			}
			due, latest := []sent{}, map[string]uint64{}
			after, top := uint64(0), uint64(0)
			for n := range 600 {
				m := &store.Message{Data: fmt.Append(nil, n)}
				if n/50%3 > 0 && rand.IntN(2) == 0 { // a third of the time there are no keys
					m.Key = fmt.Sprint("k", rand.IntN(3))
				}
				p := putMessage(t, logs[rand.IntN(2)], m)
				top = p.Seq
				if m.Key != "" {
					due = slices.DeleteFunc(due, func(s sent) bool { return s.seq == latest[m.Key] })
					latest[m.Key] = p.Seq
				}
				due = append(due, sent{p.Seq, string(m.Data)})
				if rand.IntN(10) > 0 {
					continue
				}

				for limit := time.After(10 * time.Second); len(due) > 0; {
					entries, tail, err := l.Read(ctx, link, after, 1<<20, nil)
					if err != nil || !tail.Gap.IsZero() {
						t.Fatalf("Read: gap %v, %v", tail.Gap, err)
					}
					for i, e := range entries {
						if i >= len(due) || e.Seq != due[i].seq || string(e.Message.Data) != due[i].text {
							t.Fatalf("read %d:%s; want %v", e.Seq, e.Message.Data, due)
						}
						after = e.Seq
					}
					due = due[len(entries):]
					if len(due) == 0 {
						break
					}
					select {
					case <-woken:
					case <-limit:
						t.Fatalf("%v did not come", due)
					}
				}
				if rand.IntN(2) == 0 {
					if err := l.Ack(ctx, link, store.Position{Epoch: p.Epoch, Seq: after}); err != nil {
						t.Fatal(err)
					}
				}
			}
			if top != 600 {
				t.Errorf("the last number is %d", top)
			}
		})
	}
}

// What left a log for want of room is told, though the rest for that reader has expired
// since.
func TestM3UndeliveredBesideAnExpiredMessage(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	const brief = 300 * time.Millisecond
	b := roomy
	b.MaxMessages, b.Overflow, b.Retention = 3, store.OverflowDropOldest, brief
	from := open(t, s, "from")
	left, err := from.Detach(ctx, attach(t, from, "comes"))
	if err != nil || left == 0 {
		t.Fatal(left, err)
	}
	for _, m := range []store.Message{{Data: []byte("1")}, {TTL: brief / 2, Data: []byte("2")}} {
		if _, err := from.Append(ctx, &m, "comes"); err != nil {
			t.Fatal(err)
		}
	}

	into, _, err := s.Open(ctx, "into", store.Asked{}, true, b)
	if err != nil {
		t.Fatal(err)
	}
	here := attach(t, into, "here")
	if _, err := s.Move(ctx, "from", "into", store.Moving{Settle: store.Settle}); err != nil {
		t.Fatal(err)
	}
	put(t, into, "3", "4") // 1 leaves
	var told []store.Undelivered
	until(t, "it is told", func() bool {
		entries, tail, err := into.Read(ctx, here, 0, 1<<20, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if err := into.Ack(ctx, here, store.Position{Epoch: tail.Epoch, Seq: e.Seq}); err != nil {
				t.Fatal(err)
			}
		}
		_, tail, err = into.Read(ctx, here, 4, 1<<20, nil)
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, tail.Undelivered...)
		return len(told) > 0
	})
	if len(told) != 1 || told[0].Reader != "comes" || told[0].Lost != (store.Lost{From: 1, To: 1}) {
		t.Errorf("told %+v, want 1-1 of comes", told)
	}
}

// No key of a sparse log outlives the session, whatever ends it.
func TestM1NothingIsLeft(t *testing.T) {
	t.Parallel()
	c := dial(t, startServer(t).addr)
	far := idsOfShards(2)
	for name, end := range map[string]func(s *redis.Store, l store.Log) error{
		"End": func(s *redis.Store, _ store.Log) error {
			_, err := s.End(ctx, far[0], 0)
			return err
		},
		"Quit": func(_ *redis.Store, l store.Log) error {
			_, ended, err := l.Quit(ctx, attach(t, l, "r"))
			if err == nil && len(ended.Messages) != 2 {
				err = fmt.Errorf("ended with %d messages", len(ended.Messages))
			}
			return err
		},
		"Move": func(s *redis.Store, _ store.Log) error {
			open(t, s, far[1])
			_, err := s.Move(ctx, far[0], far[1], store.Moving{Settle: store.Settle})
			if err == nil {
				_, err = s.End(ctx, far[1], 0)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, c, redis.Options{Prefix: "left-" + name})
			l := open(t, s, far[0])
			putMessage(t, l, keyed("k 1"))
			putMessage(t, l, &store.Message{Key: "l", TTL: time.Hour})
			if err := end(s, l); err != nil {
				t.Fatal(err)
			}
			for _, kind := range []string{"s", "m", "k", "u"} {
				keys, err := c.Do(ctx, c.B().Keys().Pattern("{left-"+name+".*:"+kind+":*").Build()).AsStrSlice()
				if err != nil || kind != "s" && len(keys) > 0 {
					t.Errorf("left %q, %v", keys, err)
				}
			}
		})
	}
}

// Progress is sent on one node to a client that is linked to another one. It gets the
// last value, and what it gets is in order.
func TestM1ProgressAcrossNodes(t *testing.T) {
	t.Parallel()
	addr := startServer(t).addr
	here := newNode(t, addr, "progress", redis.Options{}, session.Options{})
	there := newNode(t, addr, "progress", redis.Options{}, session.Options{})
	l, err := there.Attach(ctx, session.Attach{ID: "a", Reader: "r"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	const all = 100
	sent := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i <= all && err == nil; i++ {
			m := store.Message{Event: "progress", Key: "job", Data: fmt.Append(nil, i)}
			_, err = here.Send(ctx, "a", m)
		}
		sent <- err
	}()

	last := -1
	until(t, "all is sent", func() bool {
		var b session.Batch
		if err := l.Take(ctx, &b); err != nil || !b.Gap.IsZero() || b.End != "" {
			t.Fatalf("Take: %+v, %v", b, err)
		}
		for _, e := range b.Entries {
			i, err := strconv.Atoi(string(e.Message.Data))
			if err != nil || i <= last || e.Message.Key != "job" {
				t.Fatalf("%+v after %d", e.Message, last)
			}
			last = i
		}
		return last == all
	})
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}
