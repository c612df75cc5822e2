package proxies_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// nginx is a running nginx.
type nginx struct {
	url string
	dir string
}

// configurations returns the nginx blocks of docs/operations.md, in their order.
func configurations(t *testing.T) []string {
	t.Helper()
	blocks := documented(t, "nginx")
	if len(blocks) != 4 {
		t.Fatalf("%d blocks of nginx, want the smallest, the better, the compressing one and the nodes", len(blocks))
	}
	return blocks
}

// startNginx runs nginx with a configuration of the document, in which only the addresses
// and files are replaced. more are directives that the test adds to the location.
func startNginx(t *testing.T, configuration, upstream string, more ...string) *nginx {
	t.Helper()
	bin := binary(t, "nginx")
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
	text := fmt.Sprintf("daemon off; master_process off; pid %s/pid; error_log stderr warn;\n"+
		"events { worker_connections 512; }\nhttp {\naccess_log off;\n%s}\n", n.dir, configuration)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, addr, text, exec.Command(bin, "-p", n.dir, "-c", file))
	return n
}
