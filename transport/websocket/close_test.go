package websocket

import (
	"bytes"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/downstream"
	"github.com/mirage-go/mirage/internal/writers"
)

// noFrame is the closeFrame of links that end without a close frame.
func noFrame() (code int, reason string) { return 0, "" }

// L1: a link is closed, and Shutdown goes on, once nothing takes from it any more,
// whatever ended it.
func TestL1WriterClosedLast(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.DiscardHandler))

	for _, tt := range []struct {
		name   string
		drain  func(out downstream.Out, wait func())
		leaves bool // the client, while drain waits
	}{
		{"client leaves", func(_ downstream.Out, wait func()) { wait() }, true},
		{"client leaves, and the link ends", func(out downstream.Out, wait func()) { wait(); out.Close() }, true},
		{"link ends", func(out downstream.Out, wait func()) { out.Close(); wait() }, false},
		{"link ends, client leaves", func(out downstream.Out, wait func()) { out.Close(); wait() }, true},
		{"panic", func(_ downstream.Out, wait func()) { wait(); panic("no") }, false},
		{"client leaves, panic", func(_ downstream.Out, wait func()) { wait(); panic("no") }, true},
		{"client leaves before", nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, client := net.Pipe()
				defer client.Close()
				var pool writers.Pool
				closed, hang := 0, make(chan struct{})
				out := newWriter(&pool, server, time.Minute, 0, noFrame, func() { closed++ })

				go func() {
					_, _ = server.Read(make([]byte, 1))
					out.leave(false)
				}()
				if tt.drain != nil {
					out.Schedule(func() { tt.drain(out, func() { <-hang }) })
					synctest.Wait()
				}
				if tt.leaves {
					client.Close()
					synctest.Wait()
				}

				if tt.drain != nil && closed > 0 {
					t.Error("closed while something takes from the link")
				}
				close(hang)
				synctest.Wait()
				if closed != 1 {
					t.Errorf("closed %d times", closed)
				}
			})
		})
	}
}

// L1: a close frame in the same write as messages works like one of its own: the client
// gets time to read it, and to answer.
func TestL1CloseFrameWithMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		defer client.Close()
		var pool writers.Pool
		closed := 0
		out := newWriter(&pool, server, time.Minute, 0, noFrame, func() { closed++ })

		out.Schedule(func() { // the client sends what no client may while this takes from the link
			out.finish(1002, "no")
			_ = out.Write([]byte("data: x\n\n"))
		})

		got := make([]byte, 64)
		n, err := client.Read(got)
		if err != nil || !bytes.HasSuffix(got[:n], []byte("\x88\x04\x03\xeano")) {
			t.Fatalf("%q, %v", got[:n], err)
		}

		synctest.Wait()
		if closed != 1 {
			t.Errorf("closed %d times", closed)
		}

		left := make(chan bool)
		go func() { // the reader of the connection
			_, err := server.Read(got)
			out.leave(true)
			left <- err == nil
		}()
		if _, err := client.Write([]byte("goodbye")); err != nil {
			t.Errorf("the client cannot answer: %v", err)
		}
		if !<-left {
			t.Error("the answer was not read")
		}
	})
}
