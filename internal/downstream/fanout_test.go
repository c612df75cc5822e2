package downstream_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/downstream"
	"github.com/mirage-go/mirage/internal/writers"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// void is a connection that accepts all writes, counts the events in them, and sends
// nothing until it is closed.
type void struct {
	net.Conn
	events *atomic.Int64
	closed chan struct{}
}

func (v *void) Write(b []byte) (int, error) {
	v.events.Add(int64(bytes.Count(b, []byte("\nid: "))))
	return len(b), nil
}
func (v *void) Read([]byte) (int, error)         { <-v.closed; return 0, net.ErrClosed }
func (v *void) Close() error                     { close(v.closed); return nil }
func (v *void) SetDeadline(time.Time) error      { return nil }
func (v *void) SetWriteDeadline(time.Time) error { return nil }

// hijackable is a ResponseWriter whose connection can be hijacked.
type hijackable struct {
	http.ResponseWriter
	conn net.Conn
}

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.conn, nil, nil }

// hijacked gives n sessions a hijacked link each.
func hijacked(tb testing.TB, m *session.Manager, n int) (events *atomic.Int64) {
	events = new(atomic.Int64)
	var pool writers.Pool
	for i := range n {
		pump := downstream.NewPump()
		link, err := m.Attach(tb.Context(), session.Attach{ID: fmt.Sprint("s", i), Transport: "test", Wake: pump.Wake})
		if err != nil {
			tb.Fatal(err)
		}
		conn := &void{events: events, closed: make(chan struct{})}
		out, err := downstream.Hijack(&pool, hijackable{conn: conn}, time.Minute, link.Close)
		if err != nil {
			tb.Fatal(err)
		}
		pump.Start(context.Background(), out, link, []byte("hello\n\n"))
		tb.Cleanup(out.Close)
	}
	return events
}

// cpu returns the CPU time of this process, which other processes hardly affect.
func cpu() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkFanOut measures the cost of a broadcast to 1000 hijacked streams without the
// kernel, per message and stream. As under load, messages are sent in batches, each
// written before the next one.
func BenchmarkFanOut(b *testing.B) {
	for _, batch := range []int{1, 8, 32} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			const streams = 1000
			m := session.New(session.Options{Overflow: store.OverflowDropOldest, Budget: -1})
			b.Cleanup(func() { m.Shutdown(context.Background()) })
			events := hijacked(b, m, streams)
			data := []byte(strings.Repeat("x", 200))
			want := int64(0)
			b.ReportAllocs()
			before := cpu()
			for b.Loop() {
				for range batch {
					m.Broadcast(b.Context(), store.Message{Data: data})
				}
				for want += int64(batch * streams); events.Load() < want; {
					runtime.Gosched()
				}
			}
			b.ReportMetric(float64(cpu()-before)/float64(want), "cpu-ns/message")
		})
	}
}
