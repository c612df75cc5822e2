package transport_test

import (
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// L4: after clients of every kind have come and gone, in good order and not, goroutines
// and sessions are what they were before.
func TestL4Churn(t *testing.T) {
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			inWorld(t, setup{server: version.server}, func(w *world) {
				churn := func() {
					for i := range 50 {
						b := w.browser()
						version.client(b)
						streams, polls, plain := b.tab(), b.tab(), b.plain()
						l, pl := streams.open(), plain.open()
						polls.poll("25")
						w.send(streams.hello.ID, "a", "b")
						synctest.Wait()
						streams.say("x")
						if i%2 == 0 {
							b.do("DELETE", streams.query(""), "", "Mirage-Link", streams.token())
						}
						l.close()
						pl.close()
						b.client.CloseIdleConnections()
					}
					time.Sleep(5 * time.Minute)
					synctest.Wait()
				}

				churn()
				before, _ := bubble()
				churn()
				if after, stacks := bubble(); after > before {
					t.Errorf("%d goroutines, %d before: %s", after, before, stacks)
				}
				if sent, err := w.m.Broadcast(w.Context(), store.Text("x")); err != nil || sent.Sessions > 0 {
					t.Errorf("%+v sessions, %v", sent, err)
				}
			})
		})
	}
}

// bubble returns how many goroutines there are in bubbles, and the stacks of all.
func bubble() (n int, stacks string) {
	buf := make([]byte, 1<<20)
	stacks = string(buf[:runtime.Stack(buf, true)])
	return strings.Count(stacks, "synctest bubble"), stacks
}

// L3: behind a proxy that holds every answer back until it is whole, a stream brings
// nothing, not even its head, and long-poll works.
func TestL3BufferingProxy(t *testing.T) {
	s := started(t, setup{session: session.Options{OnAttach: greet}})
	proxy := miragetest.NewProxy(t, s.srv.URL)
	proxy.Hold()
	c := s.client(nil)
	c.Timeout = 200 * time.Millisecond
	if resp, err := c.Get(proxy.URL() + "/live"); err == nil {
		t.Error(resp.Status)
	}
	if err := exchange(s, proxy.URL()+"/live", s.client(nil), ways["poll"]); err != nil {
		t.Error(err)
	}
}

// D7: an exchange over a network that is slow in every way.
func TestD7SlowNetwork(t *testing.T) {
	s := started(t, setup{session: session.Options{OnAttach: greet}})
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := miragetest.NewProxy(t, s.srv.URL)
			proxy.Delay(30 * time.Millisecond)
			proxy.Bandwidth(16 << 10)
			if err := exchange(s, proxy.URL()+"/live", s.client(nil), way); err != nil {
				t.Error(err)
			}
		})
	}
}

// D7, D1: the cuts of TestD7CutAnywhere at offsets of an HTTP/2 connection, which carries
// everything: a sample.
func TestD7CutHTTP2(t *testing.T) {
	s := newSite(t, setup{session: session.Options{OnAttach: greet}, server: func(s *http.Server) {
		s.Protocols = new(http.Protocols)
		unencrypted(s.Protocols)
	}})
	s.srv.Start()
	cuts := int64(0)
	for i, name := range slices.Sorted(slices.Values([]string{"poll", "sse"})) {
		for j, dir := range []miragetest.Direction{miragetest.Up, miragetest.Down} {
			t.Run(fmt.Sprint(name, " ", dir), func(t *testing.T) {
				cuts += sweep(t, s, s.client(unencrypted), ways[name], dir, miragetest.Ending(j), 5*i+j, 11)
			})
		}
	}
	t.Logf("%d cuts", cuts)
}
