package proxies_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mirage-go/mirage/client"
)

// startVarnish runs Varnish with the VCL of docs/operations.md, and returns its URL.
func startVarnish(t *testing.T, upstream string) string {
	t.Helper()
	bin := binary(t, "varnishd")
	blocks := documented(t, "vcl")
	if len(blocks) != 1 {
		t.Fatalf("%d blocks of VCL", len(blocks))
	}
	host, port, err := net.SplitHostPort(upstream)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("127.0.0.1", host, "8080", port).Replace(blocks[0])
	dir, addr := t.TempDir(), freeAddr(t)
	file := filepath.Join(dir, "default.vcl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, addr, text, exec.Command(bin, "-F", "-j", "none", "-a", addr, "-f", file,
		"-n", filepath.Join(dir, "n"), "-s", "malloc,10m", "-T", "none"))
	return "http://" + addr
}

// L3: behind Varnish with the VCL of docs/operations.md, hello and everything after it
// arrive at once, on every transport.
func TestL3Varnish(t *testing.T) {
	s := newSite(t, 0)
	url := startVarnish(t, s.addr)
	for _, way := range []string{client.SSE, client.WebSocket} {
		t.Run(way, func(t *testing.T) { s.behind(t, url, way, way+"-ann") })
	}
	s.polls(url)
}
