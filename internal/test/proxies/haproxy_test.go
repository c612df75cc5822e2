package proxies_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/client"
)

// startHAProxy runs HAProxy with the defaults of the document, and returns its URL.
// replace may change their timeouts.
func startHAProxy(t *testing.T, upstream string, replace ...string) string {
	t.Helper()
	bin := binary(t, "haproxy")
	defaults, _ := haproxyBlocks(t)
	addr := freeAddr(t)
	text := fmt.Sprintf("global\n    maxconn 512\n%s\nlisten site\n    bind %s\n    server app %s\n",
		strings.NewReplacer(replace...).Replace(defaults), addr, upstream)
	runHAProxy(t, bin, addr, text)
	return "http://" + addr
}

// haproxyBlocks returns the document's blocks for HAProxy: the defaults, and the nodes.
func haproxyBlocks(t *testing.T) (defaults, nodes string) {
	t.Helper()
	blocks := documented(t, "haproxy")
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of haproxy, want the defaults and the nodes", len(blocks))
	}
	return blocks[0], blocks[1]
}

func runHAProxy(t *testing.T, bin, addr, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, addr, text, exec.Command(bin, "-db", "-f", file))
}

// L3: behind HAProxy with the defaults of docs/operations.md everything arrives at once
// and continues after a cut, on every transport.
func TestL3HAProxy(t *testing.T) {
	binary(t, "haproxy")
	s := newSite(t, 500*time.Millisecond) // this is how the server learns that a client has left
	url := startHAProxy(t, s.addr)
	for _, way := range []string{client.SSE, client.WebSocket} {
		t.Run(way, func(t *testing.T) { s.behind(t, url, way, way+"-ann") })
	}
	s.polls(url)
}

// L3: heartbeats keep a link open where HAProxy ends a silent one. Without them it ends.
func TestL3HAProxyIdle(t *testing.T) {
	binary(t, "haproxy")
	idle(t, func(s *site) string { return startHAProxy(s.T, s.addr, "60s", "2s") })
}
