package redis_test

import (
	"fmt"
	"math/rand/v2"
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
	type said struct {
		seq     uint64
		text    string
		key, to string
		ends    int // in hours; 0 is never
		passed  bool
	}
	for round := range 40 {
		l := open(t, s, fmt.Sprint(round))
		var all []*said
		now, mark := 0, uint64(0)
		names := []string{"r", "q"}
		links, cursor, acked := map[string]store.LinkRef{}, map[string]uint64{}, map[string]uint64{}
		for _, name := range names {
			links[name] = attach(t, l, name)
		}
		var history []string
		fails := func(format string, args ...any) {
			t.Helper()
			t.Fatalf("%s, after %q", fmt.Sprintf(format, args...), history)
		}

		for n := range 80 {
			name := names[rand.IntN(2)]
			switch rand.IntN(10) {
			case 0: // an hour passes
				now++
				redis.PassTTL(s, l, time.Hour)
				for _, is := range all {
					is.passed = is.passed || is.ends > 0 && is.ends <= now
				}
				history = append(history, "an hour")
			case 1, 2: // a reader reads
				want := ""
				for _, is := range all {
					if !is.passed && is.seq > max(cursor[name], acked[name]) {
						text := is.text
						if is.to != "" && is.to != name {
							text = "-"
						}
						want += fmt.Sprintf("%d:%s ", is.seq, text)
					}
				}
				entries, tail, err := l.Read(ctx, links[name], cursor[name], 1<<20, nil)
				if err != nil || !tail.Gap.IsZero() || tail.More || len(tail.Undelivered) > 0 {
					fails("Read: %+v, %v", tail, err)
				}
				got := ""
				for _, e := range entries {
					text := "-"
					if e.Message != nil {
						text = string(e.Message.Data)
					}
					got += fmt.Sprintf("%d:%s ", e.Seq, text)
					cursor[name] = e.Seq
				}
				if got != want {
					fails("%s reads %q, want %q", name, got, want)
				}
				history = append(history, name+" reads")
			case 3: // a reader acknowledges
				p := store.Position{Epoch: l.Handle().Epoch, Seq: cursor[name]}
				if err := l.Ack(ctx, links[name], p); err != nil {
					fails("Ack: %v", err)
				}
				acked[name], mark = max(acked[name], p.Seq), max(mark, p.Seq)
				history = append(history, name+" acknowledges")
			default:
				is := &said{text: fmt.Sprint("m", n)}
				m := &store.Message{Data: []byte(is.text)}
				if rand.IntN(2) == 0 {
					is.key = fmt.Sprint("k", rand.IntN(3))
				}
				if rand.IntN(3) == 0 {
					is.to = name
				}
				if rand.IntN(2) == 0 {
					is.ends = now + 1 + rand.IntN(3)
					m.TTL = time.Duration(is.ends-now)*time.Hour - time.Minute
				}
				m.Key = is.key
				p, err := l.Append(ctx, m, is.to)
				if err != nil {
					fails("Append: %v", err)
				}
				is.seq = p.Seq
				for _, o := range all {
					o.passed = o.passed || is.key != "" && o.key == is.key && o.to == is.to
				}
				all = append(all, is)
				history = append(history, fmt.Sprintf("%d: %+v", is.seq, *is))
				if is.seq != uint64(len(all)) {
					fails("the number is %d, want %d", is.seq, len(all))
				}
			}
		}

		want := ""
		for _, is := range all {
			if !is.passed && (is.seq > mark || is.to != "" && is.seq > acked[is.to]) {
				want += fmt.Sprintf("%d:%s ", is.seq, is.text)
			}
		}
		e, err := s.End(ctx, fmt.Sprint(round), 0)
		got := ""
		for _, m := range e.Messages {
			got += fmt.Sprintf("%d:%s ", m.Seq, m.Message.Data)
		}
		if err != nil || got != want {
			fails("the end has %q, %v; want %q", got, err, want)
		}
	}
}
