package redis_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// Messages with and without Key and TTL, for all and for one reader alone, in random
// order, while time passes. Each reader gets what a list of all messages says, and so
// does the end.
func TestM3RandomLogs(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	for round := range 40 {
		l := &randomLog{T: t, Log: open(t, s, fmt.Sprint(round)), s: s}
		for _, name := range []string{"r", "q"} {
			l.readers = append(l.readers, &randomReader{name: name, link: attach(t, l, name)})
		}
		for range 80 {
			switch r := l.readers[rand.IntN(2)]; rand.IntN(10) {
			case 0:
				l.passHour()
			case 1, 2:
				l.reads(r)
			case 3:
				l.acks(r)
			default:
				l.sends(r)
			}
		}
		l.ends()
	}
}

// randomLog is a log, and the list of all messages that were appended to it.
type randomLog struct {
	*testing.T
	store.Log
	s       *redis.Store
	all     []*listed
	readers []*randomReader
	hour    int
	mark    uint64
	history []string
}

// listed is a message in the list.
type listed struct {
	seq     uint64
	text    string
	key, to string
	until   int // the hour in which it expires; 0 is never
	passed  bool
}

type randomReader struct {
	name          string
	link          store.LinkRef
	cursor, acked uint64
}

func (l *randomLog) note(format string, args ...any) {
	l.history = append(l.history, fmt.Sprintf(format, args...))
}

func (l *randomLog) want(what string, got, want []string) {
	l.Helper()
	if !slices.Equal(got, want) {
		l.Fatalf("%s: %q, want %q, after %q", what, got, want, l.history)
	}
}

func (l *randomLog) passHour() {
	l.hour++
	redis.PassTTL(l.s, l.Log, time.Hour)
	for _, m := range l.all {
		m.passed = m.passed || m.until > 0 && m.until <= l.hour
	}
	l.note("an hour")
}

func (l *randomLog) reads(r *randomReader) {
	var want, got []string
	for _, m := range l.all {
		switch {
		case m.passed || m.seq <= max(r.cursor, r.acked):
		case m.to != "" && m.to != r.name:
			want = append(want, fmt.Sprint(m.seq))
		default:
			want = append(want, fmt.Sprint(m.seq, ":", m.text))
		}
	}

	entries, tail, err := l.Read(ctx, r.link, r.cursor, 1<<20, nil)
	if err != nil || !tail.Gap.IsZero() || tail.More || len(tail.Undelivered) > 0 {
		l.Fatalf("Read: %+v, %v, after %q", tail, err, l.history)
	}
	for _, e := range entries {
		r.cursor = e.Seq
		if e.Message == nil {
			got = append(got, fmt.Sprint(e.Seq))
		} else {
			got = append(got, fmt.Sprint(e.Seq, ":", string(e.Message.Data)))
		}
	}
	l.want(r.name+" reads", got, want)
	l.note("%s reads", r.name)
}

func (l *randomLog) acks(r *randomReader) {
	if err := l.Ack(ctx, r.link, store.Position{Epoch: l.Handle().Epoch, Seq: r.cursor}); err != nil {
		l.Fatalf("Ack: %v, after %q", err, l.history)
	}
	r.acked, l.mark = max(r.acked, r.cursor), max(l.mark, r.cursor)
	l.note("%s acknowledges", r.name)
}

// sends appends a message, for that reader alone or for all.
func (l *randomLog) sends(r *randomReader) {
	m := &listed{text: fmt.Sprint("m", len(l.history))}
	if rand.IntN(2) == 0 {
		m.key = fmt.Sprint("k", rand.IntN(3))
	}
	if rand.IntN(3) == 0 {
		m.to = r.name
	}
	var ttl time.Duration
	if rand.IntN(2) == 0 {
		hours := 1 + rand.IntN(3)
		m.until, ttl = l.hour+hours, time.Duration(hours)*time.Hour-time.Minute
	}

	p, err := l.Append(ctx, &store.Message{Key: m.key, TTL: ttl, Data: []byte(m.text)}, m.to)
	if m.seq = p.Seq; err != nil || m.seq != uint64(len(l.all)+1) {
		l.Fatalf("Append: %d, %v, after %q", m.seq, err, l.history)
	}
	for _, o := range l.all {
		o.passed = o.passed || m.key != "" && o.key == m.key && o.to == m.to
	}
	l.all = append(l.all, m)
	l.note("%+v", *m)
}

func (l *randomLog) ends() {
	var want, got []string
	for _, m := range l.all {
		lacks := slices.ContainsFunc(l.readers, func(r *randomReader) bool { return r.name == m.to && m.seq > r.acked })
		if !m.passed && (m.seq > l.mark || lacks) {
			want = append(want, fmt.Sprint(m.seq, ":", m.text))
		}
	}
	e, err := l.s.End(ctx, l.ID(), 0)
	if err != nil {
		l.Fatal(err)
	}
	for _, m := range e.Messages {
		got = append(got, fmt.Sprint(m.Seq, ":", string(m.Message.Data)))
	}
	l.want("the end", got, want)
}
