package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/mirage-go/mirage/internal/test/npm"
)

// startRecipe runs the program of a page in docs/recipes, with its HTML page and these
// files beside it, and returns its URL.
func startRecipe(t *testing.T, name string, files map[string]string) string {
	t.Helper()
	page := readFile(t, "../docs/recipes/"+name+".md")
	block := func(language string) string {
		m := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(page)
		if m == nil {
			t.Fatalf("the recipe has no %s", language)
		}
		return m[1]
	}
	dir, addr := t.TempDir(), freeAddress(t)
	main := filepath.Join(dir, "main.go")
	writeFile(t, main, strings.Replace(block("go"), "localhost:8080", addr, 1))
	writeFile(t, filepath.Join(dir, "public", "index.html"), block("html"))
	for file, text := range files {
		writeFile(t, filepath.Join(dir, "public", file), text)
	}

	// The go command sees the program in a directory of the library's module.
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(root, "docs", "recipes", name, "main.go"): main},
	})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	writeFile(t, overlay, string(replace))
	build := exec.Command("go", "build", "-overlay="+overlay, "-o="+filepath.Join(dir, name), "./docs/recipes/"+name)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	program := exec.Command(filepath.Join(dir, name))
	program.Dir = dir
	startProgram(t, program)
	answers(t, "http://"+addr+"/")
	return "http://" + addr + "/"
}

// open opens the page of a recipe, in a browser of its own.
func openRecipe(t *testing.T, name, url string, parent ...context.Context) *tab {
	t.Helper()
	if len(parent) > 0 {
		return openTab(t, parent[0], name, url, sameBrowser)
	}
	return openTab(t, startBrowser(t), name, url)
}

// enter writes a text into the page's first text field, and sends its form.
func (b *tab) enter(text string) {
	b.t.Helper()
	b.do(fmt.Sprintf(`{
		const field = document.querySelector('input')
		field.value = %q
		field.form.requestSubmit()
	}`, text))
}

// lists waits until the list of the page has these lines, and no others.
func (b *tab) lists(lines ...string) {
	b.t.Helper()
	want, err := json.Marshal(lines)
	b.must(err)
	b.until("the lines "+string(want),
		fmt.Sprintf(`JSON.stringify([...document.querySelectorAll('li')].map(e => e.textContent))
			=== JSON.stringify(%s ?? [])`, want))
}

// An answer is the same after a reload in the middle, and in another browser.
func TestRecipeTokens(t *testing.T) {
	t.Parallel()
	url := startRecipe(t, "tokens", nil)
	ann := openRecipe(t, "ann", url)
	ann.until("the page", `document.readyState === 'complete'`)
	ann.enter("why?")
	const text = `document.querySelector('p').textContent`
	ann.until("the beginning", text+`.length > 20`)
	ann.must(chromedp.Do(ann.ctx, chromedp.Reload()))
	bob := openRecipe(t, "bob", get[string](ann, `location.href`))
	want := strings.Repeat("well, why? ", 40)
	for _, b := range []*tab{ann, bob} {
		b.until("the answer", fmt.Sprintf(`%s === %q`, text, want))
	}
}

// Who comes late has the history and sees who is there.
func TestRecipeRooms(t *testing.T) {
	t.Parallel()
	url := startRecipe(t, "rooms", nil)
	visit := func(name string) *tab {
		t.Helper()
		b := openRecipe(t, name, url)
		b.do(fmt.Sprintf(`localStorage.name = %q`, name))
		b.must(chromedp.Do(b.ctx, chromedp.Reload()))
		return b
	}
	here := func(b *tab, text string) {
		t.Helper()
		b.until(text, fmt.Sprintf(`document.getElementById('here').textContent === %q`, text))
	}

	ann := visit("Ann")
	here(ann, "1 here: Ann")
	ann.enter("hello?")
	ann.lists("Ann: hello?")
	bob := visit("Bob")
	bob.lists("Ann: hello?")
	here(ann, "2 here: Ann, Bob")
	ann.do(`document.querySelector('input').dispatchEvent(new Event('input'))`)
	bob.until("ann types", `document.getElementById('typing').textContent === 'Ann is typing …'`)
	bob.until("nobody types", `document.getElementById('typing').textContent === ''`)

	bob.do(`location.hash = 'garden'`)
	here(ann, "1 here: Ann")
	bob.enter("in the garden")
	bob.lists("Bob: in the garden")
	bob.do(`location.hash = 'lobby'`)
	bob.lists("Ann: hello?")
	ann.lists("Ann: hello?")
}

// All devices of a user get a note, until one of them logs out all.
func TestRecipeUsers(t *testing.T) {
	t.Parallel()
	url := startRecipe(t, "users", nil)
	desk, phone := openRecipe(t, "desk", url), openRecipe(t, "phone", url)
	bob := openRecipe(t, "bob", url)
	for _, b := range []*tab{desk, phone} {
		b.do(`globalThis.stays = true`)
		b.press(`button[value="42"]`)
		b.arrives("a page with a log-in", `!globalThis.stays && document.readyState === 'complete'`)
	}
	bob.until("the page", `document.readyState === 'complete'`)
	for i := range 2 {
		bob.do(fmt.Sprintf(`document.querySelector('#send input').value = 'note %d'
			document.querySelector('#send button').click()`, i+1))
	}
	for _, b := range []*tab{desk, phone} {
		b.lists("note 1", "note 2")
	}
	phone.do(`globalThis.stays = true`)
	desk.press(`[formaction]`)
	phone.arrives("a page without a log-in", `!globalThis.stays && document.readyState === 'complete'`)
	bob.do(`document.querySelector('#send button').click()`)
	desk.lists()
	phone.lists()
	bob.lists()
}

// A page of htmx has the history, gets what is said once and in order, and shows how many
// are there. It goes on after a connection was lost, and begins again after a refusal,
// for which htmx makes a new EventSource.
func TestRecipeHTMX(t *testing.T) {
	t.Parallel()
	modules := npm.Modules(t)
	url := startRecipe(t, "htmx", map[string]string{
		"htmx.js": readFile(t, filepath.Join(modules, "htmx.org/dist/htmx.js")),
		"sse.js":  readFile(t, filepath.Join(modules, "htmx-ext-sse/sse.js")),
	})
	var down, refused atomic.Bool
	recipe := &program{t: t, url: strings.TrimSuffix(url, "/")}
	at := refuse(t, recipe, func(w http.ResponseWriter, _ *http.Request) bool {
		if down.Load() {
			refused.Store(true)
		}
		return down.Load() && problem(w, http.StatusServiceUnavailable, "not now")
	})
	ann := openRecipe(t, "ann", at.URL)
	ann.until("who is here", `document.querySelector('p').textContent === '1 here'`)
	ann.enter("one")
	ann.lists("one")
	ann.enter("<b>two</b>")
	ann.lists("one", "<b>two</b>")
	bob := openRecipe(t, "bob", url)
	bob.lists("one", "<b>two</b>")
	for _, b := range []*tab{ann, bob} {
		b.until("who is here", `document.querySelector('p').textContent === '2 here'`)
	}
	ann.must(chromedp.Do(ann.ctx, chromedp.Reload()))
	ann.lists("one", "<b>two</b>")
	ann.enter("three")
	ann.lists("one", "<b>two</b>", "three")
	ann.do(`console.error = () => {}`) // htmx reports each lost connection
	at.CloseClientConnections()
	bob.enter("four")
	ann.lists("one", "<b>two</b>", "three", "four")
	down.Store(true)
	at.CloseClientConnections()
	bob.enter("five")
	for deadline := time.Now().Add(20 * time.Second); !refused.Load() && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	down.Store(false)
	for _, b := range []*tab{ann, bob} {
		b.lists("one", "<b>two</b>", "three", "four", "five")
	}
}
