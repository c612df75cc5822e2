package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// chromium returns the path of a browser. Without one the test is skipped, and fails in CI.
func chromium(t *testing.T) string {
	t.Helper()
	// Debian's wrapper in /usr/bin adds flags and prints errors where there is no desktop, so the program itself comes first.
	for _, name := range []string{os.Getenv("CHROMIUM"), "/usr/lib/chromium/chromium", "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	const missing = "no Chromium found: apt-get install chromium, or set CHROMIUM to its path"
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// startBrowser returns a context whose children are tabs. The browser ends with the test.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	path := chromium(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // nothing here may hang
	t.Cleanup(cancel)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
	)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal("starting Chromium:", err)
	}
	t.Cleanup(func() { _ = chromedp.Cancel(ctx) })
	return ctx
}

// A tab is one page of one person: nobody else's cookies or storage.
type tab struct {
	t    *testing.T
	ctx  context.Context
	name string
}

// sameBrowser makes a tab share them with the one whose context it is opened from.
const sameBrowser = true

func openTab(t *testing.T, browser context.Context, name, url string, shared ...bool) *tab {
	t.Helper()
	var options []chromedp.ContextOption
	if len(shared) == 0 {
		options = append(options, chromedp.WithNewBrowserContext())
	}
	ctx, cancel := chromedp.NewContext(browser, options...)
	t.Cleanup(cancel)
	b := &tab{t, ctx, name}
	b.must(chromedp.Do(ctx, chromedp.EmulateViewport(1280, 800)))
	go b.watch(chromedp.Console(ctx))
	b.must(chromedp.Do(ctx, chromedp.Navigate(url)))
	return b
}

// watch lets the test fail on what the page complains about: exceptions, and violations of the page's policy.
func (b *tab) watch(messages func(func(chromedp.ConsoleMessage, error) bool)) {
	for m, err := range messages {
		if err != nil {
			return
		}
		if m.Type == chromedp.ConsoleException || m.Type == chromedp.ConsoleError && !isNetwork(m.Text) {
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
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	b.must(err)
	return v
}

// until waits for an expression to be true. It does not use chromedp.Poll, which needs animation frames.
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

// picture keeps a screenshot in the directory E2E_ARTIFACTS, outside the tree.
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
