package redis_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// BenchmarkAppend: 100-byte messages to 64 sessions that nobody reads and that drop the
// oldest, from 64 goroutines.
func BenchmarkAppend(b *testing.B) {
	s := newStore(b, dial(b, startServer(b).addr), redis.Options{})
	bounds := roomy
	bounds.Overflow, bounds.MaxMessages = store.OverflowDropOldest, 100
	logs := make([]store.Log, 64)
	for i := range logs {
		l, _, err := s.Open(ctx, fmt.Sprint("s", i), store.Asked{}, true, bounds)
		if err != nil {
			b.Fatal(err)
		}
		logs[i] = l
	}
	data := []byte(strings.Repeat("x", 100))
	var next atomic.Int64
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		l := logs[int(next.Add(1))%len(logs)]
		for pb.Next() {
			if _, err := l.Append(ctx, &store.Message{Data: data}, ""); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

// BenchmarkCycle: append, read and acknowledge one 100-byte message, each in a session of
// its own, from 64 goroutines.
func BenchmarkCycle(b *testing.B) {
	s := newStore(b, dial(b, startServer(b).addr), redis.Options{})
	data := []byte(strings.Repeat("x", 100))
	var next atomic.Int64

	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		l, _, err := s.Open(ctx, fmt.Sprint("s", next.Add(1)), store.Asked{}, true, roomy)
		if err != nil {
			b.Error(err)
			return
		}
		a, err := l.Attach(ctx, store.Claim{Reader: "reader-of-22-characters"})
		if err != nil {
			b.Error(err)
			return
		}

		var dst []store.Entry
		for at := uint64(0); pb.Next(); at++ {
			p, err := l.Append(ctx, &store.Message{Data: data}, "")
			if err == nil {
				dst, _, err = l.Read(ctx, a.Link, at, 1<<16, dst[:0])
			}
			if err == nil {
				err = l.Ack(ctx, a.Link, p)
			}
			if err != nil || len(dst) != 1 {
				b.Errorf("%d entries, %v", len(dst), err)
				return
			}
		}
	})

	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "delivered/s")
}

// BenchmarkAcross: from Send on one node until Take gave the message on the other one.
func BenchmarkAcross(b *testing.B) {
	addr := startServer(b).addr
	node := func() *session.Manager {
		s := newStore(b, dial(b, addr), redis.Options{Prefix: "across"})
		return session.New(session.Options{Store: s, AckTimeout: -1})
	}
	near, far := node(), node()
	defer near.Shutdown(ctx)
	defer far.Shutdown(ctx)

	l, err := far.Attach(ctx, session.Attach{ID: "a", Reader: "r"})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()

	got := make(chan store.Position)
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		var batch session.Batch
		for l.Next(stop, &batch) == nil {
			for _, e := range batch.Entries {
				got <- store.Position{Epoch: batch.Epoch, Seq: e.Seq, Tag: e.Tag}
			}
		}
	}()

	send := func() (store.Position, time.Duration) {
		began := time.Now()
		if _, err := near.Send(ctx, "a", store.Text("x")); err != nil {
			b.Fatal(err)
		}
		p := <-got
		return p, time.Since(began)
	}

	send() // the subscription is there when something has come
	time.Sleep(50 * time.Millisecond)
	var all []time.Duration
	b.ResetTimer()
	for range b.N {
		p, took := send()
		all = append(all, took)
		if p.Seq%16 == 0 {
			if err := l.Ack(ctx, p); err != nil {
				b.Fatal(err)
			}
		}
	}

	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkMemory tells what a session with a reader, a link and so many 100-byte
// messages takes in Redis.
func BenchmarkMemory(b *testing.B) {
	c := dial(b, startServer(b).addr)
	for _, n := range []int{0, 1, 10, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newStore(b, c, redis.Options{})
			used := func() int64 {
				info, err := c.Do(ctx, c.B().Info().Section("memory").Build()).ToString()
				if err != nil {
					b.Fatal(err)
				}
				var n int64
				_, rest, _ := strings.Cut(info, "used_memory:")
				fmt.Sscan(rest, &n)
				return n
			}

			const sessions = 2000
			before := used()
			for i := range sessions {
				l := open(b, s, fmt.Sprintf("%016x", i))
				if _, err := l.Attach(ctx, store.Claim{Reader: "reader-of-22-characters"}); err != nil {
					b.Fatal(err)
				}
				for range n {
					if _, err := l.Append(ctx, &store.Message{Data: []byte(strings.Repeat("x", 100))}, ""); err != nil {
						b.Fatal(err)
					}
				}
			}

			b.ReportMetric(float64(used()-before)/sessions, "B/session")
		})
	}
}

// BenchmarkExpired asks what has expired where nothing has, of a thousand sessions.
func BenchmarkExpired(b *testing.B) {
	server := startServer(b)
	s := newStore(b, dial(b, server.addr), redis.Options{})
	for i := range 1000 {
		open(b, s, fmt.Sprint("s", i))
	}
	server.do("CONFIG", "RESETSTAT")
	b.ResetTimer()
	for range b.N {
		if _, err := s.Expired(ctx, 100); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	usec := 0.0
	for line := range strings.Lines(server.do("INFO", "commandstats")) {
		var n float64
		if _, rest, ok := strings.Cut(line, "usec="); ok {
			fmt.Sscanf(rest, "%f", &n)
			usec += n
		}
	}
	b.ReportMetric(usec/float64(b.N), "redis-µs/op")
}
