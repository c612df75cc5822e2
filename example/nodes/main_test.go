package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/needs"
)

// Two processes and a Redis, started as in docs/operations.md: a message sent to one
// process arrives at a stream of the other. When that one is killed, the client continues
// at the first and gets the messages that it has missed.
func TestTwoProcesses(t *testing.T) {
	redis := needs.Program(t, "redis-server")
	program := filepath.Join(t.TempDir(), "nodes")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	server := free(t)
	host, port, _ := net.SplitHostPort(server)
	start(t, server, redis, "--port", port, "--bind", host, "--dir", t.TempDir(),
		"--appendonly", "yes", "--maxmemory-policy", "noeviction")
	one, two := free(t), free(t)
	first := start(t, one, program, "-addr", one, "-redis", server)
	start(t, two, program, "-addr", two, "-redis", server)

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar} // of 127.0.0.1, whatever the port: a balancer looks the same
	stream, _ := listen(t, browser, one, "")
	post(t, browser, two, "hello")
	_, data := stream("hello")
	post(t, browser, one, "again")
	last, more := stream("again")
	if data != "hello" || more != "again" {
		t.Errorf("node one's stream got %q and %q", data, more)
	}
	_ = first.Process.Kill()
	post(t, browser, two, "after")
	stream, resumed := listen(t, browser, two, last)
	if !resumed {
		t.Error("the second node does not know the client's position")
	}
	if _, data := stream("after"); data != "after" {
		t.Errorf("node two's stream got %q", data)
	}
}

func free(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start starts a server and waits until it listens.
func start(t *testing.T, addr, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			return cmd
		}
	}
	t.Fatalf("%s does not listen on %s", name, addr)
	return nil
}

// listen opens a stream and reports whether it resumed. next returns the first message
// with that text, and its id.
func listen(t *testing.T, browser *http.Client, addr, last string) (next func(string) (id, data string), resumed bool) {
	t.Helper()
	req, err := http.NewRequest("GET", "http://"+addr+"/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}

	res, err := browser.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %v, %v", addr, res, err)
	}
	timer := time.AfterFunc(20*time.Second, func() { _ = res.Body.Close() })
	t.Cleanup(func() { timer.Stop(); _ = res.Body.Close() })

	lines := bufio.NewScanner(res.Body)
	id := ""
	hello := true
	next = func(want string) (string, string) {
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch {
			case field == "id":
				id = value
			case field == "data" && hello:
				hello, resumed = false, strings.Contains(value, `"resumed":true`)
				if want == "" {
					return id, ""
				}
			case field == "data" && value == want:
				return id, value
			}
		}
		return id, fmt.Sprintf("nothing (%v)", lines.Err())
	}

	next("")
	return next, resumed
}

func post(t *testing.T, browser *http.Client, addr, text string) {
	t.Helper()
	res, err := browser.Post("http://"+addr+"/live", "text/plain", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusAccepted {
		t.Errorf("POST %s: %s", addr, res.Status)
	}
}
