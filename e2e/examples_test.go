package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// An example is a running program of the directory example.
type example struct {
	t    *testing.T
	bin  string
	args []string

	ready string // in the line that has its address; "" for the first line with one
	url   string
	cmd   *exec.Cmd
	log   chan string // what the program wrote
}

// startExample builds an example and starts it on a free port.
func startExample(t *testing.T, name string, args ...string) *example {
	t.Helper()
	e := &example{t: t, bin: filepath.Join(t.TempDir(), name), args: args}
	if name == "nodes" {
		e.ready = "the nodes are open" // after the lines of its nodes, which have addresses, too
	}
	build := exec.Command("go", "build", "-o", e.bin, "./example/"+name)
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	e.start("localhost:0")
	t.Cleanup(func() { _ = e.cmd.Process.Kill() })
	return e
}

func (e *example) start(addr string) {
	e.t.Helper()
	e.cmd = exec.Command(e.bin, append([]string{"-addr", addr}, e.args...)...)
	e.cmd.Dir = ".."
	stderr, err := e.cmd.StderrPipe()
	if err == nil {
		err = e.cmd.Start()
	}
	if err != nil {
		e.t.Fatal(err)
	}
	lines := bufio.NewReader(stderr)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			e.t.Fatal("the example does not say where it listens: ", err)
		}
		if m := listens.FindStringSubmatch(line); m != nil && strings.Contains(line, e.ready) {
			e.url = m[1]
			break
		}
	}
	e.log = make(chan string, 1)
	go func() {
		rest, _ := io.ReadAll(lines)
		e.log <- string(rest)
	}()
}

// stop ends the program with an interrupt, and requires exit status 0.
func (e *example) stop() {
	e.t.Helper()
	_ = e.cmd.Process.Signal(syscall.SIGINT)
	log := <-e.log // before Wait, which closes the pipe
	if err := e.cmd.Wait(); err != nil {
		e.t.Errorf("the example ended with %v\n%s", err, log)
	}
}

// restart stops the program and starts it again at its address.
func (e *example) restart() {
	e.t.Helper()
	e.stop()
	e.start(strings.TrimPrefix(e.url, "http://"))
}

// fill writes a text into a field, as a person does.
func (b *tab) fill(id, text string) {
	b.t.Helper()
	b.do(fmt.Sprintf(`{
		const field = document.getElementById(%q)
		field.value = %q
		field.dispatchEvent(new Event('input', { bubbles: true }))
	}`, id, text))
}

// submit sends a form.
func (b *tab) submit(id string) {
	b.t.Helper()
	b.do(fmt.Sprintf(`document.getElementById(%q).requestSubmit()`, id))
}

// looks saves pictures of a page on a desk and on a phone, light and dark.
func (b *tab) looks(name string) {
	b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		b.desk()
		b.look(name + "-" + scheme)
		b.viewport(390, 844)
		b.look(name + "-phone-" + scheme)
	}
	b.scheme("light")
	b.desk()
}

// desk gives the page the viewport of a desktop browser.
func (b *tab) desk() {
	b.t.Helper()
	b.must(chromedp.Do(b.ctx, chromedp.EmulateViewport(1280, 800)))
}

// press clicks on an element. The page may go somewhere else.
func (b *tab) press(selector string) {
	b.t.Helper()
	b.do(fmt.Sprintf(`setTimeout(() => document.querySelector(%q).click())`, selector))
}

// arrives is until, for a page that goes somewhere else meanwhile.
func (b *tab) arrives(what, expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ok, err := run[bool](b, "!!("+expression+")")
		if ok {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%s: waited in vain for %s: %v", b.name, what, err)
		}
	}
}
