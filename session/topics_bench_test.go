package session_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// members begins n links of as many sessions that have joined the topic, and reads all
// that they have.
func members(b *testing.B, m *session.Manager, n, others int) []*session.Link {
	ctx := context.Background()
	links := make([]*session.Link, n)
	var batch session.Batch
	for i := range links {
		s, err := m.Open(ctx, fmt.Sprint("session", i))
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Join(ctx, "room:7", session.FromNow); err != nil {
			b.Fatal(err)
		}
		for o := range others {
			if err := s.Join(ctx, fmt.Sprint("other:", o), session.FromNow); err != nil {
				b.Fatal(err)
			}
		}
		if links[i], err = m.Attach(ctx, session.Attach{ID: s.ID(), Reader: "tab", Wake: func() {}}); err != nil {
			b.Fatal(err)
		}
		take(b, links[i], &batch)
	}
	b.Cleanup(func() {
		for _, l := range links {
			l.Close()
		}
		m.Shutdown(ctx)
	})
	return links
}

func take(b *testing.B, l *session.Link, batch *session.Batch) (blocks int) {
	for more := true; more; more = batch.More {
		if err := l.Take(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
		blocks += len(batch.Topics)
	}
	return blocks
}

// T10: what a publish costs for each member, and what it costs a member to take it.
// Members that have not taken the message before are not woken again.
func BenchmarkTopicPublish(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("members=%d", n), func(b *testing.B) {
			ctx := context.Background()
			m := session.New(session.Options{Budget: -1, Heartbeat: time.Hour, LinkAge: time.Hour, AckTimeout: -1})
			links := members(b, m, n, 0)
			topic := m.Topic("room:7")
			msg := store.Message{Data: make([]byte, 200)}
			var batch session.Batch

			var publish, again, taking time.Duration
			var before, between, after runtime.MemStats
			var publishing, took uint64
			for b.Loop() {
				runtime.ReadMemStats(&before)
				start := time.Now()
				topic.Publish(ctx, msg)
				publish += time.Since(start)
				start = time.Now()
				topic.Publish(ctx, msg)
				again += time.Since(start)
				runtime.ReadMemStats(&between)
				start = time.Now()
				for _, l := range links {
					if got := take(b, l, &batch); got != 2 {
						b.Fatalf("%d blocks", got)
					}
				}
				taking += time.Since(start)
				runtime.ReadMemStats(&after)
				publishing += between.Mallocs - before.Mallocs
				took += after.Mallocs - between.Mallocs
			}
			each := float64(b.N) * float64(n)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(publish)/each, "ns-wake/member")
			b.ReportMetric(float64(again)/each, "ns-again/member")
			b.ReportMetric(float64(taking)/each/2, "ns-take/message")
			b.ReportMetric(float64(publishing)/float64(2*b.N), "allocs/publish")
			b.ReportMetric(float64(took)/each/2, "allocs/take")
		})
	}
}

// T10: a link that reads many topics pays for those with news.
func BenchmarkTopicTake(b *testing.B) {
	for _, others := range []int{0, 15, 63} {
		b.Run(fmt.Sprintf("topics=%d", others+1), func(b *testing.B) {
			ctx := context.Background()
			m := session.New(session.Options{Budget: -1, Heartbeat: time.Hour, LinkAge: time.Hour, AckTimeout: -1})
			l := members(b, m, 1, others)[0]
			topic := m.Topic("room:7")
			msg := store.Message{Data: make([]byte, 200)}
			var batch session.Batch
			b.ReportAllocs()
			for b.Loop() {
				topic.Publish(ctx, msg)
				if got := take(b, l, &batch); got != 1 {
					b.Fatalf("%d blocks", got)
				}
			}
		})
	}
}
