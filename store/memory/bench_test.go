package memory

import (
	"fmt"
	"testing"
	"time"

	"github.com/mirage-go/mirage/store"
)

// Benchmarks of the log in memory. Those of the Manager are with its tests.

func BenchmarkLogAppend(b *testing.B) {
	s := New(Options{Budget: -1})
	bounds := roomy
	bounds.Overflow = store.OverflowDropOldest
	l, m := openMem(b, s, "a", bounds), sized(200)
	attachMem(b, l, "r")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Append(bg, m, ""); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLogAppendReadAck(b *testing.B) {
	for _, batch := range []int{1, 8, 32} {
		b.Run(fmt.Sprint("batch=", batch), func(b *testing.B) {
			l, m := openMem(b, New(Options{Budget: -1}), "a", roomy), sized(200)
			a := attachMem(b, l, "r")
			dst, after := make([]store.Entry, 0, batch), uint64(0)

			b.ReportAllocs()
			for b.Loop() {
				var p store.Position
				for range batch {
					var err error
					if p, err = l.Append(bg, m, ""); err != nil {
						b.Fatal(err)
					}
				}

				got, _, err := l.Read(bg, a.Link, after, 1<<20, dst)
				if err != nil || len(got) != batch {
					b.Fatal(len(got), err)
				}
				after = p.Seq
				if err := l.Ack(bg, a.Link, p); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/message")
		})
	}
}

// A message supersedes one of n that a reader has not taken.
func BenchmarkLogUpdate(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint("keys=", n), func(b *testing.B) {
			l := openMem(b, New(Options{Budget: -1}), "a", roomy)
			attachMem(b, l, "r")
			if _, err := l.Append(bg, sized(200), ""); err != nil {
				b.Fatal(err)
			}
			messages := make([]*store.Message, n)
			for i := range messages {
				messages[i] = keyed(fmt.Sprint(i), 0, 200)
			}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				i = (i + 1) % n
				if _, err := l.Append(bg, messages[i], ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLogAttachDetach(b *testing.B) {
	for _, others := range []int{0, 31} {
		b.Run(fmt.Sprint("others=", others), func(b *testing.B) {
			l := openMem(b, New(Options{Budget: -1}), "a", roomy)
			for i := range others {
				attachMem(b, l, fmt.Sprint("r", i))
			}
			b.ReportAllocs()
			for b.Loop() {
				a := attachMem(b, l, "r")
				if _, err := l.Detach(bg, a.Link); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLogPoll(b *testing.B) {
	l := openMem(b, New(Options{Budget: -1}), "a", roomy)
	a := attachMem(b, l, "r")
	b.ReportAllocs()
	for b.Loop() {
		var err error
		a, err = l.Attach(bg, store.Claim{
			Reader: "r", Link: a.Link.Number, Given: store.GivenPresented, Position: a.Position,
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLogBeginCommit(b *testing.B) {
	for _, writers := range []int{1, 32} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			l := openMem(b, New(Options{Budget: -1}), "a", roomy)
			names, last := make([]string, writers), make([]uint64, writers)
			for i := range names {
				names[i] = fmt.Sprint("writer-", i)
			}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				i = (i + 1) % writers
				last[i]++
				t, _, err := l.Begin(bg, store.LinkRef{}, names[i], 1, last[i], time.Second)
				if err != nil || t != store.TurnDeliver {
					b.Fatal(t, err)
				}
				if err := l.Commit(bg, names[i], last[i], true); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// One message is shared by 1 000 logs. Each has a reader that takes and acknowledges it.
func BenchmarkLogBroadcast1000(b *testing.B) {
	const n = 1000
	s := New(Options{Budget: -1})
	type end struct {
		l store.Log
		a store.Attached
	}
	var ends []end
	for i := range n {
		l := openMem(b, s, fmt.Sprint("s", i), roomy)
		ends = append(ends, end{l, attachMem(b, l, "r")})
	}

	m, dst, seq := sized(200), make([]store.Entry, 0, 1), uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		for _, e := range ends {
			if _, err := e.l.Append(bg, m, ""); err != nil {
				b.Fatal(err)
			}
		}

		for _, e := range ends {
			got, _, err := e.l.Read(bg, e.a.Link, seq, 1<<16, dst)
			if err != nil || len(got) != 1 {
				b.Fatal(len(got), err)
			}
			if err := e.l.Ack(bg, e.a.Link, store.Position{Epoch: e.a.Position.Epoch, Seq: seq + 1}); err != nil {
				b.Fatal(err)
			}
		}
		seq++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/session")
}

// A session, from its first message to its end.
func BenchmarkStoreSession(b *testing.B) {
	s, m := New(Options{Budget: -1}), sized(200)
	b.ReportAllocs()
	for b.Loop() {
		l := openMem(b, s, "a", roomy)
		attachMem(b, l, "r")
		if _, err := l.Append(bg, m, ""); err != nil {
			b.Fatal(err)
		}
		if _, err := s.End(bg, "a", 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStoreOpen(b *testing.B) {
	s := New(Options{Budget: -1})
	for i := range 10_000 {
		openMem(b, s, fmt.Sprint("s", i), roomy)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.Open(bg, "s5000", store.Asked{}, false, roomy); err != nil {
			b.Fatal(err)
		}
	}
}
