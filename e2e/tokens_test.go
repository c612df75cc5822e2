package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/mirage-go/mirage/miragetest"
)

// newConversation opens a page of its own.
func newConversation(t *testing.T, url string) *tab {
	t.Helper()
	b := openTab(t, startBrowser(t), "ann", url)
	b.arrives("a conversation", `location.pathname.startsWith('/c/') && document.body.dataset.link === 'open'`)
	return b
}

// ask asks a question, as a person does.
func (b *tab) ask(question string) {
	b.t.Helper()
	b.fill("question", question)
	b.submit("ask")
}

const lastAnswer = `[...document.querySelectorAll('.answer')].at(-1)?.textContent ?? ''`

// written waits until the last answer has so many characters.
func (b *tab) written(n int) {
	b.t.Helper()
	b.until(fmt.Sprint(n, " characters"), fmt.Sprintf(`(%s).length >= %d`, lastAnswer, n))
}

// ended waits until the last answer has ended, and returns it.
func (b *tab) ended(state string) string {
	b.t.Helper()
	b.arrives("an answer that is "+state,
		fmt.Sprintf(`[...document.querySelectorAll('.turn')].at(-1)?.dataset.state === %q`, state))
	return get[string](b, lastAnswer)
}

// kept returns the answers of all conversations in the directory of the example.
func kept(t *testing.T, dir string) (answers []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		var turn struct{ Answer string }
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &turn)
		}
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, turn.Answer)
	}
	return answers
}

// A page that is reloaded while an answer is written, another tab, and another browser
// that has only the address, all show the same answer, byte for byte. It is the one that
// the application keeps.
func TestTokensReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tokens := startExample(t, "tokens", "-rate", "4", "-dir", dir)
	ann := newConversation(t, tokens.url)
	ann.ask("What is a Fata Morgana?")
	ann.written(60)
	address := get[string](ann, `location.href`)
	second := openTab(t, ann.ctx, "second tab", address, sameBrowser)
	second.written(60)
	for range 3 {
		n := len(get[string](ann, lastAnswer))
		ann.must(chromedp.Do(ann.ctx, chromedp.Reload()))
		ann.written(n + 10)
	}
	bob := openTab(t, startBrowser(t), "bob", address)
	bob.written(60)

	all := kept(t, dir)
	if len(all) != 1 || all[0] != "" {
		t.Fatalf("before the end %q is kept: the test was too slow", all)
	}
	ann.click("stop") // the answer would take a minute
	want := ann.ended("stopped")
	late := openTab(t, startBrowser(t), "late", address)
	for _, b := range []*tab{second, bob, late} {
		if got := b.ended("stopped"); got != want {
			t.Errorf("%s shows %q\nann shows %q", b.name, got, want)
		}
	}
	if all := kept(t, dir); len(all) != 1 || all[0] != want {
		t.Errorf("%q is kept\n%q is shown", all, want)
	}
	tokens.stop()
}

// Five seconds without a network cost nothing: the model goes on, and the page gets the
// rest.
func TestTokensOffline(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tokens := startExample(t, "tokens", "-rate", "12", "-dir", dir)
	proxy := miragetest.NewProxy(t, tokens.url)
	ann := newConversation(t, proxy.URL())
	ann.ask("Why does a hot road look wet?")
	ann.written(60)
	bob := openTab(t, startBrowser(t), "bob", tokens.url+get[string](ann, `location.pathname`))

	offline(ann, true)
	proxy.Refuse()
	proxy.Cut(miragetest.RST)
	ann.until("a notice", `document.getElementById('notice').textContent.startsWith('No connection')`)
	before := get[string](ann, lastAnswer)
	time.Sleep(5 * time.Second)
	if now := get[string](ann, lastAnswer); now != before {
		t.Errorf("without a network the answer grew from %d to %d bytes", len(before), len(now))
	}
	offline(ann, false)
	proxy.Heal()

	want := bob.ended("done")
	if got := ann.ended("done"); got != want {
		t.Errorf("ann shows %q\nbob shows %q", got, want)
	}
	if said := get[string](ann, `document.getElementById('said').textContent`); said != want {
		t.Errorf("screen readers say %q", said)
	}
	ann.until("no notice", `document.getElementById('notice').textContent === ''`)
	if all := kept(t, dir); len(all) != 1 || all[0] != want {
		t.Errorf("%q is kept\n%q is shown", all, want)
	}
	tokens.stop()
}

// A question that is asked without a network is answered when it is back, once, even if
// the page is reloaded before that.
func TestTokensAskOffline(t *testing.T) {
	t.Parallel()
	tokens := startExample(t, "tokens", "-rate", "12", "-dir", t.TempDir())
	proxy := miragetest.NewProxy(t, tokens.url)
	ann := newConversation(t, proxy.URL())
	offline(ann, true)
	proxy.Refuse()
	proxy.Cut(miragetest.RST)
	ann.ask("Can a camera see a mirage?")
	ann.until("it waits", `document.querySelector('.how').textContent.startsWith('Waiting')`)
	ann.fill("question", "And what if")
	offline(ann, false)
	proxy.Heal()
	ann.must(chromedp.Do(ann.ctx, chromedp.Reload()))
	ann.written(60)
	if n := get[int](ann, `document.querySelectorAll('.turn').length`); n != 1 {
		t.Errorf("%d turns", n)
	}
	if draft := get[string](ann, `document.getElementById('question').value`); draft != "And what if" {
		t.Errorf("the draft is %q", draft)
	}
	ann.click("stop")
	ann.ended("stopped")
	tokens.stop()
}

// Stop ends the answer on all pages, with the same text, and the conversation goes on.
func TestTokensStop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tokens := startExample(t, "tokens", "-rate", "12", "-dir", dir)
	ann := newConversation(t, tokens.url)
	ann.ask("What is a Fata Morgana?")
	ann.written(60)
	bob := openTab(t, startBrowser(t), "bob", get[string](ann, `location.href`))
	bob.written(100)
	bob.click("stop")
	want := bob.ended("stopped")
	if got := ann.ended("stopped"); got != want || len(want) > 1000 {
		t.Errorf("ann shows %q\nbob shows %q", got, want)
	}
	if all := kept(t, dir); len(all) != 1 || all[0] != want {
		t.Errorf("%q is kept\n%q is shown", all, want)
	}

	ann.ask("And in colour?")
	ann.until("the second turn", `document.querySelectorAll('.turn').length === 2`)
	ann.written(30)
	ann.look("tokens-writing")
	ann.click("stop")
	ann.ended("stopped")
	bob.ended("stopped")
	tokens.stop()
}

// A finished answer is there after a restart of the server, in a new page and in one that
// was open. Of an answer that was being written, the beginning is there.
func TestTokensRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tokens := startExample(t, "tokens", "-rate", "12", "-dir", dir)
	ann := newConversation(t, tokens.url)
	address := get[string](ann, `location.href`)
	ann.looks("tokens-empty")
	ann.ask("Why does a hot road look wet?")
	want := ann.ended("done")
	ann.ask("And then?")
	ann.until("the second turn", `document.querySelectorAll('.turn').length === 2`)
	ann.written(60)
	tokens.restart()

	half := ann.ended("interrupted")
	bob := openTab(t, startBrowser(t), "bob", address)
	for _, b := range []*tab{ann, bob} {
		b.ended("interrupted")
		got := get[[]string](b, `[...document.querySelectorAll('.answer')].map(e => e.textContent)`)
		if len(got) != 2 || got[0] != want || got[1] != half || len(half) < 60 {
			t.Errorf("after the restart %s sees %q, before it %q", b.name, got, want)
		}
	}
	ann.looks("tokens")

	// What asked and heard before still does.
	ann.until("a link", `document.body.dataset.link === 'open'`)
	ann.ask("Are you there?")
	bob.until("the third turn", `document.querySelectorAll('.turn').length === 3`)
	bob.written(30)
	ann.click("stop")
	if got, want := ann.ended("stopped"), bob.ended("stopped"); got != want {
		t.Errorf("ann shows %q\nbob shows %q", got, want)
	}
	if list := get[string](ann, `document.getElementById('recent').textContent`); !strings.Contains(list, "hot road") {
		t.Errorf("the list of conversations has %q", list)
	}
	tokens.stop()
}
