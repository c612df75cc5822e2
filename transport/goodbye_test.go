package transport_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/middleware"
)

// L1, W2: a polling client that says goodbye and comes back under its id leaves nothing
// behind that Shutdown would wait for.
func TestL1ShutdownAfterGoodbye(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		b := w.browser()
		tab := b.tab()
		tab.poll("25")
		if a := b.do("DELETE", tab.query(""), "", "Mirage-Link", tab.token()); a.status != 204 {
			t.Fatal(a.status)
		}
		b.tab().poll("25")
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		if err := w.m.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

// L1: a GET that announces a body and does not send it holds up neither its own answer
// for long nor Shutdown.
func TestL1GetWithBody(t *testing.T) {
	for _, query := range []string{"", "?_wait=25"} {
		t.Run(query, func(t *testing.T) {
			inWorld(t, setup{}, func(w *world) {
				conn, err := w.net.Dial(w.Context())
				w.must(err)
				defer conn.Close()
				fmt.Fprintf(conn, "GET /live%s HTTP/1.1\r\nHost: 127.0.0.1:80\r\n"+
					"Accept: text/event-stream\r\nContent-Length: 10\r\n\r\n", query)
				w.must(conn.SetReadDeadline(time.Now().Add(time.Minute)))
				start := time.Now()
				if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
					t.Errorf("after %v: %v", time.Since(start), err)
				} else if _, err := resp.Body.Read(make([]byte, 1)); err != nil && err != io.EOF ||
					time.Since(start) > 11*time.Second {
					t.Errorf("%s after %v, %v", resp.Status, time.Since(start), err)
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
				defer cancel()
				if err := w.m.Shutdown(ctx); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
			})
		})
	}
}

// L1: http.Server.Shutdown alone does not hang either when it comes while the server's
// first link waits for a hook. On the plain way out it does, until its context ends: see
// stream.Servers.Follow.
func TestL1ShutdownDuringTheFirstHook(t *testing.T) {
	var release chan struct{} // made in the bubble
	o := middleware.Options{Generate: func(*http.Request) (string, error) { <-release; return "ann", nil }}
	inWorld(t, setup{identity: o, exactly: true}, func(w *world) {
		release = make(chan struct{})
		tab := w.browser().tab()
		l := tab.dial()
		synctest.Wait()
		done := make(chan error, 1)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		go func() { done <- w.server.Shutdown(ctx) }()
		synctest.Wait()
		close(release)
		start := time.Now()
		if err := <-done; err != nil || time.Since(start) > 3*time.Second {
			t.Errorf("Shutdown: %v after %v", err, time.Since(start))
		}
		l.cut()
		<-l.done
	})
}
