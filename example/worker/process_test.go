package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/needs"
)

// A process is a server or a worker that can be killed and started again.
type process struct {
	t    *testing.T
	bin  string
	out  string // the file with what it wrote
	args []string
	cmd  *exec.Cmd
}

// build builds the program.
func build(t *testing.T) (bin string) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: starts and kills processes")
	}
	bin = filepath.Join(t.TempDir(), "worker")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

func start(t *testing.T, bin, out string, args ...string) *process {
	t.Helper()
	p := &process{t: t, bin: bin, out: out, args: args}
	p.start()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(out)
			t.Logf("%s:\n%s", filepath.Base(out), text[max(0, len(text)-4000):])
		}
	})
	return p
}

func (p *process) start() {
	p.t.Helper()
	out, err := os.OpenFile(p.out, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer out.Close()
	p.cmd = exec.Command(p.bin, p.args...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// interrupt tells the program to end. A second interrupt would end it at once.
func (p *process) interrupt() { _ = p.cmd.Process.Signal(os.Interrupt) }

// ended waits for the end of the program, and requires exit status 0.
func (p *process) ended() {
	p.t.Helper()
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("%s: %v", filepath.Base(p.out), err)
	}
}

var announced = regexp.MustCompile(`url=http://localhost(:\d+)`)

// url returns the address that a server says.
func (p *process) url() (url string) {
	p.t.Helper()
	eventually(p.t, "the server says where it is", func() bool {
		text, err := os.ReadFile(p.out)
		if m := announced.FindSubmatch(text); err == nil && m != nil {
			url = "http://127.0.0.1" + string(m[1])
		}
		return url != ""
	})
	return url
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain: ", what)
		}
	}
}

// startRedis starts a redis-server of the test's own, and returns its address.
func startRedis(t *testing.T) string {
	t.Helper()
	program := needs.Program(t, "redis-server")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	host, port, _ := net.SplitHostPort(addr)
	dir := t.TempDir()
	p := start(t, program, filepath.Join(dir, "out"), "--bind", host, "--port", port, "--dir", dir, "--save", "",
		"--appendonly", "yes", "--maxmemory-policy", "noeviction")
	eventually(t, "redis-server is ready", func() bool {
		text, err := os.ReadFile(p.out)
		return err == nil && strings.Contains(string(text), "Ready to accept connections")
	})
	return addr
}
