package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// H1: the README's two files, copied into a module of their own, are a program whose page
// works in two tabs, after a reload, on a WebSocket.
func TestH1Readme(t *testing.T) {
	browser := startBrowser(t)
	dir := t.TempDir()
	addr := freeAddress(t)
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}

	// The module is a copy of the library's own under another name, and takes the library
	// from this tree.
	module := strings.Replace(readFile(t, "../go.mod"), "module github.com/mirage-go/mirage", "module hello", 1)
	module += "\nrequire github.com/mirage-go/mirage v0.0.0\n" +
		"replace github.com/mirage-go/mirage => " + root + "\n"
	writeFile(t, filepath.Join(dir, "go.mod"), module)
	writeFile(t, filepath.Join(dir, "go.sum"), readFile(t, "../go.sum"))
	program := strings.Replace(readmeBlock(t, "go"), "localhost:8080", addr, 1)
	writeFile(t, filepath.Join(dir, "main.go"), program)
	writeFile(t, filepath.Join(dir, "public", "index.html"), readmeBlock(t, "html"))

	build := exec.Command("go", "build", "-mod=mod", "-o", "hello", ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	hello := exec.Command(filepath.Join(dir, "hello"))
	hello.Dir = dir
	if err := hello.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = hello.Process.Kill()
		_ = hello.Wait()
	})
	url := "http://" + addr + "/"
	answers(t, url)

	one := openTab(t, browser, "one", url)
	two := openTab(t, one.ctx, "two", url, sameBrowser)
	for _, b := range []*tab{one, two} {
		b.until("the page", `document.querySelector('input')`)
		b.write("by " + b.name)
		for _, other := range []*tab{one, two} {
			other.until("the message in both tabs", shows("by "+b.name))
		}
	}
	one.picture("hello")
	one.do(`location.reload()`)
	one.until("the page again", `document.readyState === 'complete' && !document.querySelector('pre').textContent`)
	two.write("after")
	one.until("the message after a reload", shows("after"))
	if got := get[string](one, `document.querySelector('pre').textContent`); got != "after\n" {
		t.Errorf("after a reload the page shows %q", got)
	}
}

// write sends a text with the page's only form, as a person does.
func (b *tab) write(text string) {
	b.t.Helper()
	b.do(fmt.Sprintf(`document.querySelector('input').value = %q`, text))
	b.do(`document.querySelector('form').requestSubmit()`)
}

// shows returns an expression that is true if the page shows the text.
func shows(text string) string {
	return fmt.Sprintf(`document.querySelector('pre').textContent.includes(%q)`, text)
}

// readmeBlock returns the first block in this language in the README.
func readmeBlock(t *testing.T, language string) string {
	t.Helper()
	m := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(readFile(t, "../README.md"))
	if m == nil {
		t.Fatalf("the README has no %s", language)
	}
	return m[1]
}

// freeAddress returns an address on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// answers waits until a server answers.
func answers(t *testing.T, url string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		res, err := http.Get(url)
		if err == nil {
			res.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	if err == nil {
		err = os.WriteFile(name, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
