package plain_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	gosse "github.com/tmaxmax/go-sse"

	"github.com/mirage-go/mirage/internal/needs"
	"github.com/mirage-go/mirage/internal/test/npm"
)

// A client is a client of another project. start makes it read the site's URL until the
// test ends.
type client struct {
	name  string
	start func(s *site)
	ended string // what it shows when its id is revoked while it is connected
	gone  string // what it shows when it connects and gets 410; "" if it tries again
}

var clients = []client{
	{"EventSource", page("eventsource", ""), "the id was revoked", "refused"},
	{"htmx 2", page("htmx2", "/htmx.js htmx.org/dist/htmx.js /sse.js htmx-ext-sse/sse.js"), "ended", ""},
	{"htmx 4", page("htmx4", "/htmx4.js htmx4/dist/htmx.js /hx-sse.js htmx4/dist/ext/hx-sse.js"), "ended", ""},
	{"fetch-event-source", page("fetch-event-source", ""), "the id was revoked", "the id was revoked"},
	{"eventsource in Node", node, "the id was revoked", "410 Non-200 status code (410)"},
	{"curl", curl, `{"status":410,"reason":"the id was revoked","code":"revoked"}`, "refused: 410"},
	{"go-sse", goSSE, "go-sse has stopped", "go-sse has stopped"},
}

// reporter is the end of each page. It reports what the page shows to the site, line by
// line.
const reporter = `
<script type="module">
  let last = Promise.resolve()
  const report = node => {
    const body = node.textContent.trim()
    if (body) last = last.then(() => fetch('%s/heard', { method: 'POST', mode: 'no-cors', body }))
  }
  for (const id of ['log', 'state']) {
    const shown = document.getElementById(id)
    shown.childNodes.forEach(report) // shown before this script ran
    new MutationObserver(all => all.forEach(one => one.addedNodes.forEach(report))).observe(shown, { childList: true })
  }
</script>
`

const imports = `<script type="importmap">{"imports": {
  "@microsoft/fetch-event-source": "/npm/@microsoft/fetch-event-source/lib/esm/index.js"
}}</script>
`

// page opens a page of docs/plain.md in a browser of its own. files are the scripts that
// it loads, and their places in the packages.
func page(mark, files string) func(s *site) {
	return func(s *site) {
		html := imports + block(s.T, mark) + fmt.Sprintf(reporter, s.direct)
		for words := strings.Fields(files); len(words) > 0; words = words[2:] {
			html = strings.ReplaceAll(html, `"`+words[0]+`"`, `"/npm/`+words[1]+`"`)
		}
		s.mu.Lock()
		s.page = html
		s.mu.Unlock()
		s.run(exec.CommandContext(s.Context(), chromium(s.T), "--headless", "--user-data-dir="+s.TempDir(),
			"--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic",
			"--disable-component-update", "--disable-background-networking", "--disable-sync",
			s.proxy.URL()+"/"))
	}
}

// chromium returns the path of a browser. Without one the test ends as needs.Program
// describes.
func chromium(t *testing.T) string {
	t.Helper()
	// Debian's wrapper in /usr/bin adds flags, so the program itself comes first.
	return needs.Program(t,
		os.Getenv("CHROMIUM"), "/usr/lib/chromium/chromium", "chromium", "chromium-browser", "google-chrome")
}

// node runs the program of docs/plain.md. It is written beside the packages that it
// imports.
func node(s *site) {
	dir := s.TempDir()
	if err := os.Symlink(npm.Modules(s), filepath.Join(dir, "node_modules")); err != nil {
		s.Fatal(err)
	}
	file := filepath.Join(dir, "client.mjs")
	if err := os.WriteFile(file, []byte(s.local(block(s.T, "eventsource-node"))), 0o644); err != nil {
		s.Fatal(err)
	}
	cmd := exec.CommandContext(s.Context(), npm.Node(s), file)
	cmd.Stderr = s.Output()
	s.run(cmd)
}

func curl(s *site) {
	cmd := exec.CommandContext(s.Context(), "bash", "-c", s.local(block(s.T, "curl")))
	cmd.Dir, cmd.Stderr = s.TempDir(), s.Output()
	s.run(cmd)
}

// local returns code with the site's address in place of the written one.
func (s *site) local(code string) string {
	const written = "http://localhost:8080"
	if !strings.Contains(code, written) {
		s.Fatalf("%s is not in %s", written, code)
	}
	return strings.ReplaceAll(code, written, s.proxy.URL())
}

// run starts a program and records each line that it prints. When the test ends, run
// kills it and all processes that it started.
func (s *site) run(cmd *exec.Cmd) {
	s.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			s.hears(lines.Text())
		}
	}()
	s.Cleanup(func() { // the test's context has ended by then
		<-done
		_ = cmd.Wait()
	})
}

// inProcess runs a Go client with cookies until the test ends.
func inProcess(s *site, read func(ctx context.Context, url string, c *http.Client)) {
	jar, _ := cookiejar.New(nil)
	c := &http.Client{Jar: jar, Transport: &http.Transport{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		read(s.Context(), s.proxy.URL()+"/live", c)
	}()
	s.Cleanup(func() { <-done; c.CloseIdleConnections() })
}

func goSSE(s *site) {
	inProcess(s, func(ctx context.Context, url string, c *http.Client) {
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		soon := gosse.Backoff{InitialInterval: 20 * time.Millisecond, Multiplier: 1}
		client := gosse.Client{HTTPClient: c, Backoff: soon}
		conn := client.NewConnection(r)
		conn.SubscribeMessages(func(e gosse.Event) {
			if e.Data != "" { // it makes an event of a lone retry:
				s.hears(e.Data)
			}
		})
		_ = conn.Connect()
		s.hears("go-sse has stopped")
	})
}
