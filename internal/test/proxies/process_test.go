// Package proxies tests Mirage behind real proxies, set up as docs/operations.md says.
package proxies_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/needs"
)

// binary returns the path of a proxy, which Debian may keep where only root's PATH looks.
func binary(t *testing.T, proxy string) string {
	t.Helper()
	return needs.Program(t, proxy, "/usr/sbin/"+proxy)
}

// documented returns the blocks of a language in docs/operations.md, in their order.
func documented(t *testing.T, language string) (blocks []string) {
	t.Helper()
	doc, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllSubmatch(doc, -1) {
		blocks = append(blocks, string(m[1]))
	}
	return blocks
}

// run runs a proxy until the test ends, and returns once it listens at addr.
// configuration is shown if the test fails.
func run(t *testing.T, addr, configuration string, cmd *exec.Cmd) {
	t.Helper()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("%s said: %s\nof this configuration:\n%s", cmd.Path, said.String(), configuration)
		}
	})

	for end := time.Now().Add(patience); ; pause() {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended: %v", cmd.Path, err)
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not listen", cmd.Path)
		}
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

const patience = 10 * time.Second

func pause() { time.Sleep(2 * time.Millisecond) }
