//go:build !race

package websocket

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/downstream"
	"github.com/mirage-go/mirage/internal/writers"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	memstore "github.com/mirage-go/mirage/store/memory"
)

// drainpipe is a connection that takes everything, and counts.
type drainpipe struct {
	net.Conn
	writes, bytes atomic.Int64
	last          []byte
}

func (d *drainpipe) Write(b []byte) (int, error) {
	d.last = append(d.last[:0], b...)
	d.bytes.Add(int64(len(b)))
	d.writes.Add(1)
	return len(b), nil
}
func (d *drainpipe) SetWriteDeadline(time.Time) error { return nil }
func (d *drainpipe) SetReadDeadline(time.Time) error  { return nil }
func (d *drainpipe) Read([]byte) (int, error)         { return 0, io.EOF }
func (d *drainpipe) Close() error                     { return nil }

// P1: taking, encoding and writing does not allocate over a WebSocket either, and all
// that waits is one frame in one write, however large.
func TestP1NoAlloc(t *testing.T) {
	messages := memstore.New(memstore.Options{})
	m := session.New(session.Options{Store: messages, Overflow: store.OverflowDropOldest})
	var pool writers.Pool

	conn, pump := new(drainpipe), downstream.NewPump()
	link, err := m.Attach(t.Context(), session.Attach{ID: "id", Transport: "test", Wake: pump.Wake})
	if err != nil {
		t.Fatal(err)
	}
	out := newWriter(&pool, conn, time.Minute, 0, func() (int, string) { return 1000, "" }, link.Close)
	defer func() {
		out.finish(1000, "")
		out.leave(true)
		_ = m.Shutdown(context.Background())
	}()
	pump.Start(t.Context(), out, link, []byte("hello\n\n"))

	log, _, err := messages.Open(t.Context(), "id", store.Asked{}, false, store.Bounds{})
	if err != nil {
		t.Fatal(err)
	}

	msg, ctx, sent := store.Text(strings.Repeat("x", 200)), t.Context(), 0
	send := func() {
		for range 8 {
			if p, err := log.Append(ctx, &msg, ""); err != nil || p.Seq == 0 {
				t.Error(p, err)
			}
		}
		for sent += 8 * 200; conn.bytes.Load() < int64(sent); {
			time.Sleep(10 * time.Microsecond)
		}
	}

	for range 500 { // grow the ring and the buffers
		send()
	}
	if allocs := testing.AllocsPerRun(500, send); allocs >= 1 {
		t.Errorf("%v allocations for eight messages", allocs)
	}

	noMore := func() int64 {
		for n := conn.writes.Load(); ; n = conn.writes.Load() {
			if time.Sleep(5 * time.Millisecond); conn.writes.Load() == n {
				return n
			}
		}
	}

	before := noMore()
	_ = out.Write(bytes.Repeat([]byte("y"), 60<<10))
	if n := conn.writes.Load() - before; n != 1 || len(conn.last) != 60<<10+4 || conn.last[0] != 0x81 {
		t.Errorf("%d writes, the last begins with % x", n, conn.last[:4])
	}
}
