package stream_test

import (
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/stream"
)

// L1: a link is closed, and Shutdown goes on, once nothing takes from it any more,
// whatever ended it.
func TestL1ClosedAfterItsWriter(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	outs := map[string]func(t *testing.T, w *stream.Writers, conn net.Conn, closed func()) stream.Out{
		"stream": func(t *testing.T, w *stream.Writers, conn net.Conn, closed func()) stream.Out {
			out, err := w.Hijack(hijackable{conn: conn}, time.Minute, closed)
			if err != nil {
				t.Fatal(err)
			}
			return out
		},
		"socket": func(_ *testing.T, w *stream.Writers, conn net.Conn, closed func()) stream.Out {
			out := w.Socket(conn, time.Minute, 0, func() (int, string) { return 0, "" }, closed)
			go func() {
				_, _ = conn.Read(make([]byte, 1))
				out.Leave(false)
			}()
			return out
		},
	}
	for kind, start := range outs {
		for _, tt := range []struct {
			name   string
			drain  func(out stream.Out, wait func())
			leaves bool // the client, while drain waits
		}{
			{"client leaves", func(_ stream.Out, wait func()) { wait() }, true},
			{"client leaves, and the link ends", func(out stream.Out, wait func()) { wait(); out.Close() }, true},
			{"link ends", func(out stream.Out, wait func()) { out.Close(); wait() }, false},
			{"link ends, client leaves", func(out stream.Out, wait func()) { out.Close(); wait() }, true},
			{"panic", func(_ stream.Out, wait func()) { wait(); panic("no") }, false},
			{"client leaves, panic", func(_ stream.Out, wait func()) { wait(); panic("no") }, true},
			{"client leaves before", nil, true},
		} {
			t.Run(kind+": "+tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server, client := net.Pipe()
					defer client.Close()
					var w stream.Writers
					closed, hang := 0, make(chan struct{})
					out := start(t, &w, server, func() { closed++ })
					if tt.drain != nil {
						out.Kick(func() { tt.drain(out, func() { <-hang }) })
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
}
