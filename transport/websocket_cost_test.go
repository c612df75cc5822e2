package transport_test

import (
	"fmt"
	"net"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport/sse"
)

const upgrade = "GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// P1: an idle WebSocket costs one goroutine, which waits for the client to speak.
func TestP1SocketGoroutines(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		const n = 100
		before := runtime.NumGoroutine()
		for range n {
			conn, err := w.net.Dial(w.Context())
			w.must(err)
			defer conn.Close()
			fmt.Fprint(conn, upgrade)
		}
		synctest.Wait()
		if got := float64(runtime.NumGoroutine()-before) / n; got > 1.1 {
			t.Errorf("%.2f goroutines for an idle link", got)
		}
	})
}

// P1: the memory of an idle WebSocket, session, reader and link included, with its
// client's socket: it must not creep up. (The race detector adds a half.)
func TestP1SocketMemory(t *testing.T) {
	srv, _ := serve(t, session.Options{}, sse.Options{}, false)
	const n = 500
	measure := func() int64 {
		runtime.GC()
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse + m.StackInuse)
	}
	before := measure()
	for range n {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, upgrade)
		greeted(t, conn)
	}
	if per := (measure() - before) / n; per > 16<<10 {
		t.Errorf("%d bytes for an idle link", per)
	} else {
		t.Logf("%d bytes for an idle link", per)
	}
}
