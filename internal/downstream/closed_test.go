package downstream_test

import (
	"bytes"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/downstream"
)

// L1: a link is closed, and Shutdown goes on, once nothing takes from it any more,
// whatever ended it.
func TestL1ClosedAfterItsWriter(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	outs := map[string]func(t *testing.T, w *downstream.Writers, conn net.Conn, closed func()) downstream.Out{
		"stream": func(t *testing.T, w *downstream.Writers, conn net.Conn, closed func()) downstream.Out {
			out, err := w.Hijack(hijackable{conn: conn}, time.Minute, closed)
			if err != nil {
				t.Fatal(err)
			}
			return out
		},
		"socket": func(_ *testing.T, w *downstream.Writers, conn net.Conn, closed func()) downstream.Out {
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
			t.Run(kind+": "+tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server, client := net.Pipe()
					defer client.Close()
					var w downstream.Writers
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

// L1: a close frame that goes out together with what the link has is as good as one of
// its own: the client gets time to read it, and to answer.
func TestL1SocketCloseFrameWithMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		defer client.Close()
		var w downstream.Writers
		closed := 0
		out := w.Socket(server, time.Minute, 0, func() (int, string) { return 0, "" }, func() { closed++ })
		out.Kick(func() { // the client sends what no client may while this takes from the link
			out.Finish(1002, "no")
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
			out.Leave(true)
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
