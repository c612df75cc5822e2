package proxies_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/client"
)

// node serves the site at another address, as one of several nodes that share a Store,
// until stop is called.
func (s *site) node(addr string) (stop func()) {
	s.Helper()
	l, err := net.Listen("tcp", addr)
	s.must(err)
	server := &http.Server{Handler: s.pages, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	stop = func() { server.Close(); <-served }
	s.Cleanup(stop)
	return stop
}

// startNginxNodes runs nginx with the better configuration of the document and its
// upstream block.
func startNginxNodes(t *testing.T, one, two string) string {
	blocks := configurations(t)
	better, nodes := blocks[1], blocks[3]
	nodes = strings.NewReplacer("127.0.0.1:8081", one, "127.0.0.1:8082", two).Replace(nodes)
	return startNginx(t, nodes+better, "nodes", "proxy_connect_timeout 1s;").url
}

func startHAProxyNodes(t *testing.T, one, two string) string {
	bin := binary(t, "haproxy")
	defaults, nodes := haproxyBlocks(t)
	nodes = strings.NewReplacer("127.0.0.1:8081", one, "127.0.0.1:8082", two).Replace(nodes)
	addr := freeAddr(t)
	runHAProxy(t, bin, addr, fmt.Sprintf("global\n    maxconn 512\n%s\n"+
		"frontend site\n    bind %s\n    default_backend nodes\n%s\n", defaults, addr, nodes))
	return "http://" + addr
}

// L3: while one node after another is restarted, every request reaches a running one,
// without delay.
func TestL3RollingRestart(t *testing.T) {
	for name, start := range map[string]func(t *testing.T, one, two string) string{
		"nginx":   startNginxNodes,
		"haproxy": startHAProxyNodes,
	} {
		t.Run(name, func(t *testing.T) {
			binary(t, name)
			s := newSite(t, 500*time.Millisecond)
			one, two := freeAddr(t), freeAddr(t)
			stopOne, stopTwo := s.node(one), s.node(two)
			url := start(t, one, two)

			asked := func(when string) {
				t.Helper()
				for i := range 20 {
					began := time.Now()
					r, err := http.Get(url + "/ready")
					s.must(err)
					r.Body.Close()
					if took := time.Since(began); r.StatusCode != http.StatusOK || took > 500*time.Millisecond {
						t.Fatalf("%s, request %d: %s after %v", when, i, r.Status, took)
					}
				}
			}

			asked("both nodes live")
			stopOne()
			asked("the first one is away")
			stopOne = s.node(one)
			stopTwo()
			asked("the second one is away")
			s.node(two)
			asked("both are back")

			for _, way := range []string{client.SSE, client.WebSocket} {
				s.behind(t, url, way, way+"-ann")
			}
			stopOne()
		})
	}
}
