package memory

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/mirage-go/mirage/store"
)

// A publish, with so many watchers that it wakes.
func BenchmarkTopicPublish(b *testing.B) {
	for _, n := range []int{0, 1, 100, 10_000} {
		b.Run(fmt.Sprint("watchers=", n), func(b *testing.B) {
			a, p, woken := New(Options{Budget: -1}).Topic("a", defaultTopic), say(200), 0
			for range n {
				stop := a.Watch(func(store.TopicNews) { woken++ })
				defer stop()
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Publish(bg, p); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(woken)/float64(b.N), "woken/op")
		})
	}
}

// defaultTopic has the bounds of a topic for which the application sets none.
var defaultTopic = store.TopicBounds{MaxMessages: 100, MaxBytes: 256 << 10, MaxGrown: 1 << 20, Age: 1 << 60}

// A publish that so many readers read, which keep up.
func BenchmarkTopicPublishRead(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint("readers=", n), func(b *testing.B) {
			a, p := New(Options{Budget: -1}).Topic("a", defaultTopic), say(200)
			at, err := a.Position(bg)
			if err != nil {
				b.Fatal(err)
			}
			cursors, dst := make([]store.TopicCursor, n), make([]store.TopicEntry, 0, 8)
			for i := range cursors {
				cursors[i].At = at
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Publish(bg, p); err != nil {
					b.Fatal(err)
				}
				for i := range cursors {
					if got, _, err := a.Read(bg, &cursors[i], 1<<20, dst); err != nil || len(got) != 1 {
						b.Fatal(len(got), err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/reader")
		})
	}
}

// T10: reading allocates nothing, however many members there are.
func TestT10ReadAllocatesNothing(t *testing.T) {
	a, p := New(Options{Budget: -1}).Topic("a", defaultTopic), say(200)
	cursors, dst := make([]store.TopicCursor, 100), make([]store.TopicEntry, 0, 8)
	read := func() {
		for i := range cursors {
			if _, _, err := a.Read(bg, &cursors[i], 1<<20, dst); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(t, a, p)
	read()
	alone := testing.AllocsPerRun(100, func() { publish(t, a, p) })
	read()
	if both := testing.AllocsPerRun(100, func() { publish(t, a, p); read() }); both > alone && !raceEnabled {
		t.Errorf("%v allocations for a message and 100 readers, and %v for the message alone", both, alone)
	}
}

// T10: what 1 000 sessions whose clients are absent did not read of 1 000 messages is in
// memory once, and bounded by the topic.
func TestT10AbsentMembers(t *testing.T) {
	const sessions, messages = 1000, 1000
	s := New(Options{})
	a := s.Topic("a", defaultTopic)
	at, err := a.Position(bg)
	wants(t, "Position", err, nil)
	for i := range sessions {
		l := openMem(t, s, fmt.Sprint("s", i), roomy)
		j := store.TopicJoin{Topic: "a", At: at, Begin: store.BeginNow, Max: 64}
		wants(t, "JoinTopic", l.JoinTopic(bg, j), nil)
	}

	used, heap := s.used.Load(), heapAlloc()
	for range messages {
		publish(t, a, say(200))
	}
	used, heap = s.used.Load()-used, heapAlloc()-heap
	t.Logf("%d messages for %d absent members take %d bytes, and count as %d", messages, sessions, heap, used)
	if used > defaultTopic.MaxBytes || heap > 2*uint64(defaultTopic.MaxBytes) {
		t.Error("that is more than the topic's bound")
	}
	runtime.KeepAlive(s)
}

func BenchmarkTopicAbsentMembers(b *testing.B) {
	s := New(Options{})
	a, p := s.Topic("a", defaultTopic), say(200)
	for i := range 1000 {
		l := openMem(b, s, fmt.Sprint("s", i), roomy)
		join(b, l, "a", store.LinkRef{})
	}
	before := s.used.Load()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Publish(bg, p); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(s.used.Load()-before), "bytes")
}

func BenchmarkLogTopics(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprint("topics=", n), func(b *testing.B) {
			l := openMem(b, New(Options{}), "a", roomy)
			k := attachMem(b, l, "r").Link
			for i := range n {
				join(b, l, fmt.Sprint("t", i), store.LinkRef{})
			}
			b.ReportAllocs()
			for b.Loop() {
				if of, err := l.Topics(bg, k); err != nil || len(of.Joined) != n {
					b.Fatal(len(of.Joined), err)
				}
			}
		})
	}
}
