//go:build !race

package downstream_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/downstream"
	"github.com/mirage-go/mirage/internal/writers"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
)

// P1: taking, encoding and writing a message allocates nothing.
func TestP1NoAlloc(t *testing.T) {
	memory := memory.New(memory.Options{})
	_, _, out := pumped(t, session.Options{Store: memory, Overflow: store.OverflowDropOldest})
	log, _, err := memory.Open(t.Context(), "id", store.Asked{}, false, store.Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	msg := store.Text(strings.Repeat("x", 200))
	ctx := t.Context()
	for range 2000 { // grow the ring and the buffers
		log.Append(ctx, &msg, "")
	}
	before := out.writes
	allocs := testing.AllocsPerRun(1000, func() { log.Append(ctx, &msg, "") })
	if allocs != 0 || out.writes == before {
		t.Errorf("%v allocations a message, %d writes", allocs, out.writes-before)
	}
}

// P1: the whole path over a real connection allocates nothing either: append, wake, take,
// encode and write, on a hijacked stream or through net/http.
func TestP1NoAllocEndToEnd(t *testing.T) {
	for name, hijack := range map[string]bool{"hijacked": true, "response": false} {
		t.Run(name, func(t *testing.T) {
			memory := memory.New(memory.Options{})
			m := session.New(session.Options{Store: memory, Overflow: store.OverflowDropOldest})
			var pool writers.Pool
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				pump := downstream.NewPump()
				link, err := m.Attach(r.Context(), session.Attach{ID: "id", Transport: "test", Wake: pump.Wake})
				if err != nil {
					t.Error(err)
					return
				}
				downstream.Unchunk(w.Header())
				w.WriteHeader(http.StatusOK)
				if hijack {
					out, err := downstream.Hijack(&pool, w, time.Minute, link.Close)
					if err != nil {
						t.Error(err)
						return
					}
					pump.Start(context.Background(), out, link, []byte("hello\n\n"))
					return
				}

				defer link.Close()
				out := downstream.NewResponse(&pool, w, r, time.Minute)
				pump.Start(r.Context(), out, link, []byte("hello\n\n"))
				out.Run(r.Context())
			}))
			defer srv.Close()

			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				conn.Close()
				if err := m.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
			}()
			if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
				t.Fatal(err)
			}

			r := bufio.NewReader(conn)
			until(t, r, "hello\n")
			log, _, err := memory.Open(t.Context(), "id", store.Asked{}, false, store.Bounds{})
			if err != nil {
				t.Fatal(err)
			}

			msg, ctx := store.Text(strings.Repeat("x", 200)), t.Context()
			line := "data: " + string(msg.Data) + "\n"
			one := func() {
				log.Append(ctx, &msg, "")
				until(t, r, line)
			}
			for range 2000 { // grow the ring and the buffers
				one()
			}

			var before, after runtime.MemStats
			const n = 1000
			runtime.GC() // so that no collection empties the pools meanwhile
			runtime.ReadMemStats(&before)
			for range n {
				one()
			}
			runtime.ReadMemStats(&after)
			// The runtime may use a hundredth of an allocation: it creates a new
			// goroutine now and then.
			if allocs := float64(after.Mallocs-before.Mallocs) / n; allocs > 0.05 {
				t.Errorf("%.3f allocations a message", allocs)
			}
		})
	}
}

// until reads up to and including line.
func until(t *testing.T, r *bufio.Reader, line string) {
	for {
		got, err := r.ReadSlice('\n')
		if err != nil {
			t.Fatal(err)
		}
		if string(got) == line {
			return
		}
	}
}
