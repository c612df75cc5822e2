package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// If a node dies while it has a GET, another node answers it. A POST may have taken
// effect, and fails.
func TestBalancerNodeDies(t *testing.T) {
	dies := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}))
	defer dies.Close()
	lives := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "here")
	}))
	defer lives.Close()
	b := &balancer{nodes: []string{lives.Listener.Addr().String(), dies.Listener.Addr().String()}}

	for method, want := range map[string]int{"GET": http.StatusOK, "POST": http.StatusBadGateway} {
		b.next.Store(0) // the node that dies is next
		w := httptest.NewRecorder()
		b.handler().ServeHTTP(w, httptest.NewRequest(method, "http://site.test/", nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", method, w.Code, want)
		}
	}

	// Many at once: each request asks all nodes, whatever the others do.
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			w := httptest.NewRecorder()
			b.handler().ServeHTTP(w, httptest.NewRequest("GET", "http://site.test/", nil))
			if w.Code != http.StatusOK {
				t.Errorf("one of many: %d", w.Code)
			}
		})
	}
	all.Wait()
}
