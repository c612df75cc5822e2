package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// absent skips a test because a program is missing. In CI it fails the test.
func absent(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// startProgram starts a program, and ends it when the test ends.
func startProgram(t *testing.T, program *exec.Cmd) {
	t.Helper()
	program.WaitDelay = 5 * time.Second
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- program.Wait() }()
	t.Cleanup(func() {
		_ = program.Process.Kill()
		<-ended
	})
}

// scratch returns a directory for a browser. Unlike that of t.TempDir, its removal does
// not fail the test if processes of the browser, which end a little later, still write
// there.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mirage-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// findChromium returns the path of a browser, "" without one.
func findChromium() string {
	// Debian's wrapper in /usr/bin adds flags and prints errors where there is no
	// desktop, so the program itself comes first.
	for _, name := range []string{
		os.Getenv("CHROMIUM"), "/usr/lib/chromium/chromium", "chromium", "chromium-browser", "google-chrome",
	} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	return ""
}

// theBrowser is shared by all tests, because starting one takes seconds. Each tab has
// cookies and storage of its own.
var theBrowser = sync.OnceValues(func() (context.Context, error) {
	dir, err := os.MkdirTemp("", "mirage-e2e-")
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(findChromium()), chromedp.NoSandbox, chromedp.UserDataDir(dir),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		// Names for which plain http is no secure context, as it is for localhost.
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"),
		// Background tabs have slow timers, as in real use.
		chromedp.Flag("disable-background-timer-throttling", false),
		chromedp.Flag("disable-renderer-backgrounding", false),
	)
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ = chromedp.NewContext(ctx)
	endBrowser = func() {
		_ = chromedp.Cancel(ctx)
		cancel()
		_ = os.RemoveAll(dir)
	}
	return ctx, chromedp.Do(ctx)
})

var endBrowser = func() {}

// startBrowser returns a context whose children are tabs.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	if findChromium() == "" {
		absent(t, "no Chromium found: apt-get install chromium, or set CHROMIUM to its path")
	}
	ctx, err := theBrowser()
	if err != nil {
		t.Fatal("starting Chromium:", err)
	}
	return ctx
}

// A tab is one page of one person, with cookies and storage of its own.
type tab struct {
	t    *testing.T
	ctx  context.Context
	name string
}

// sameBrowser makes a tab share cookies and storage with the tab whose context it is
// opened from.
const sameBrowser = true

func openTab(t *testing.T, browser context.Context, name, url string, shared ...bool) *tab {
	t.Helper()
	var options []chromedp.ContextOption
	if len(shared) == 0 {
		options = append(options, chromedp.WithNewBrowserContext())
	}
	b := attach(t, browser, name, options...)
	b.must(chromedp.Do(b.ctx, chromedp.EmulateViewport(1280, 800), chromedp.Navigate(url)))
	return b
}

// attach connects to a tab, and closes it when the test ends.
func attach(t *testing.T, parent context.Context, name string, options ...chromedp.ContextOption) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, options...)
	t.Cleanup(cancel)
	b := &tab{t, ctx, name}
	b.must(chromedp.Do(ctx))                                // the tab lives as long as this context
	b.ctx, cancel = context.WithTimeout(ctx, 2*time.Minute) // no step may hang
	t.Cleanup(cancel)
	go b.watch(chromedp.Console(ctx))
	return b
}

// watch fails the test on errors in the page: exceptions, and violations of its policy.
func (b *tab) watch(messages func(func(chromedp.ConsoleMessage, error) bool)) {
	for m, err := range messages {
		if err != nil {
			return
		}
		if strings.Contains(m.Text, "blocked by CORS policy") && strings.HasPrefix(b.name, unlisted) {
			continue
		}
		if m.Type == chromedp.ConsoleException ||
			m.Type == chromedp.ConsoleError && !isNetwork(m.Text) &&
				!strings.HasPrefix(m.Text, "WebSocket connection to") {
			b.t.Errorf("%s: console: %s", b.name, m.Text)
		}
	}
}

func (b *tab) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatalf("%s: %v", b.name, err)
	}
}

// do runs a script in the page.
func (b *tab) do(script string) {
	b.t.Helper()
	b.must(chromedp.Do(b.ctx, chromedp.Evaluate[chromedp.Void](script)))
}

// get returns the value of an expression in the page.
func get[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := run[T](b, expression)
	b.must(err)
	return v
}

// run is like get, for a page that may not be there.
func run[T any](b *tab, expression string) (T, error) {
	return chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
}

// until waits until an expression is true. It does not use chromedp.Poll, which needs
// animation frames.
func (b *tab) until(what, expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if get[bool](b, "!!("+expression+")") {
			return
		}
		if time.Now().After(deadline) {
			b.picture("failed-" + b.name)
			b.t.Fatalf("%s: waited in vain for: %s\n%s", b.name, what, get[string](b, `document.body.innerText`))
		}
	}
}

// picture saves a screenshot in the directory E2E_ARTIFACTS, outside the tree.
func (b *tab) picture(name string) {
	b.t.Helper()
	image, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	b.must(err)
	dir := os.Getenv("E2E_ARTIFACTS")
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "mirage-e2e")
	}
	b.must(os.MkdirAll(dir, 0o755))
	b.must(os.WriteFile(filepath.Join(dir, name+".png"), image, 0o644))
}
