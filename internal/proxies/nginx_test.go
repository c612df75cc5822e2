// Package proxies tests Mirage behind real proxies, set up as docs/operations.md says.
package proxies_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nginx is a running one.
type nginx struct {
	url string
	dir string
}

// binary finds nginx. In CI it has to be there.
func binary(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("nginx is not installed, and CI is set: apt-get install nginx-light")
	}
	t.Skip("NOT TESTED: nginx is not installed (apt-get install nginx-light)")
	return ""
}

// configurations are the nginx blocks of docs/operations.md, in their order.
func configurations(t *testing.T) []string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```nginx\n(.*?)```").FindAllSubmatch(doc, -1) {
		blocks = append(blocks, string(m[1]))
	}
	if len(blocks) != 3 {
		t.Fatalf("%d blocks of nginx, want the smallest, the better and the compressing one", len(blocks))
	}
	return blocks
}

// startNginx runs nginx with a configuration of the document, in which only the addresses and files are other ones. more are directives that
// the test adds to the location.
func startNginx(t *testing.T, configuration, upstream string, more ...string) *nginx {
	t.Helper()
	bin := binary(t)
	n := &nginx{dir: t.TempDir()}
	addr := freeAddr(t)
	n.url = "http://" + addr
	replace := func(old, new string) {
		if strings.Count(configuration, old) != 1 {
			t.Fatalf("the document has %q %d times", old, strings.Count(configuration, old))
		}
		configuration = strings.Replace(configuration, old, new, 1)
	}
	replace("listen 80;", "listen "+addr+";")
	replace("http://127.0.0.1:8080;", "http://"+upstream+"; "+strings.Join(more, " "))
	configuration = strings.ReplaceAll(configuration, "/var/log/nginx/", n.dir+"/")
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		configuration = fmt.Sprintf("%s_temp_path %s;\n", name, filepath.Join(n.dir, name)) + configuration
	}
	file := filepath.Join(n.dir, "nginx.conf")
	text := fmt.Sprintf("daemon off; master_process off; pid %s/pid; error_log stderr warn;\nevents { worker_connections 512; }\nhttp {\naccess_log off;\n%s}\n",
		n.dir, configuration)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(bin, "-p", n.dir, "-c", file)
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
			t.Logf("nginx said: %s\nof this configuration:\n%s", said.String(), text)
		}
	})
	for end := time.Now().Add(patience); ; pause() {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return n
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("nginx ended: %v", err)
		default:
		}
		if time.Now().After(end) {
			t.Fatal("nginx does not listen")
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
