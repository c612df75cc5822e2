package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// A program is a running chat.
type program struct {
	t      *testing.T
	bin    string
	noKeys bool // it loses its keys when it ends
	cmd    *exec.Cmd
	url    string
}

func startChat(t *testing.T) *program {
	t.Helper()
	p := &program{t: t, bin: filepath.Join(t.TempDir(), "chat")}
	build := exec.Command("go", "build", "-o", p.bin, "./example/chat")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	p.start("localhost:0")
	return p
}

var listens = regexp.MustCompile(`url=(http://\S+)`)

func (p *program) start(addr string) {
	p.t.Helper()
	p.cmd = exec.Command(p.bin, "-addr", addr)
	if !p.noKeys {
		p.cmd.Args = append(p.cmd.Args, "-keys", filepath.Join(filepath.Dir(p.bin), "keys"))
	}

	stderr, err := p.cmd.StderrPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}

	cmd := p.cmd
	p.t.Cleanup(func() { _ = cmd.Process.Kill() })

	lines := bufio.NewReader(stderr)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			p.t.Fatal("the chat does not say where it listens: ", err)
		}
		if m := listens.FindStringSubmatch(line); m != nil {
			p.url = m[1]
			break
		}
	}
	go io.Copy(io.Discard, lines)
}

// stop ends the program with an interrupt, as a person does, and requires exit status 0.
func (p *program) stop() {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("the chat ended with %v", err)
	}
}

// isNetwork reports whether Chromium logged the text because of a failed request.
// Requests must fail in this test.
func isNetwork(text string) bool {
	return strings.Contains(text, "Failed to load resource") || strings.Contains(text, "WebSocket connection to")
}

// say writes a message in the form, as a person does.
func (b *tab) say(text string) {
	b.t.Helper()
	b.do(fmt.Sprintf(`document.getElementById('text').value = %q
		document.getElementById('say').requestSubmit()`, text))
}

// rename changes the name in the form, as a person does.
func (b *tab) rename(name string) {
	b.t.Helper()
	b.do(fmt.Sprintf(`document.getElementById('name').value = %q
		document.getElementById('me').requestSubmit()`, name))
}

// viewport gives the page a phone's viewport of this many pixels.
func (b *tab) viewport(width, height int64) {
	b.t.Helper()
	phone := chromedp.EmulateViewport(width, height, chromedp.EmulateScale(2), chromedp.EmulateMobile)
	b.must(chromedp.Do(b.ctx, phone))
}

// talk writes n messages at a brisk pace, while the test goes on.
func (b *tab) talk(prefix string, n int) {
	b.t.Helper()
	b.do(fmt.Sprintf(`{ let i = 0; const t = setInterval(() => {
		document.getElementById('text').value = %q + ' ' + ++i
		document.getElementById('say').requestSubmit()
		if (i === %d) clearInterval(t)
	}, 40) }`, prefix, n))
}

func (b *tab) click(id string) {
	b.t.Helper()
	b.must(chromedp.Do(b.ctx, chromedp.Click(chromedp.ID(id))))
}

func (b *tab) use(transport string) {
	b.t.Helper()
	b.do(fmt.Sprintf(`document.querySelector('input[value=%s]').click()`, transport))
}

// texts returns the texts that the list shows, without marks.
func (b *tab) texts() []string {
	b.t.Helper()
	return get[[]string](b, `[...document.querySelectorAll('.message .text')].map(e => e.textContent)`)
}

func (b *tab) untilState(state string) {
	b.t.Helper()
	b.until("state "+state, fmt.Sprintf(`document.body?.dataset.state === %q`, state))
}

// untilShows waits until the list shows n messages and none is pending.
func (b *tab) untilShows(n int) {
	b.t.Helper()
	b.until(fmt.Sprint(n, " messages"), fmt.Sprintf(`document.querySelectorAll('.message').length >= %d
		&& !document.querySelector('.waiting')`, n))
}

func sequence(prefix string, n int) []string {
	s := make([]string, n)
	for i := range s {
		s[i] = fmt.Sprint(prefix, " ", i+1)
	}
	return s
}

// of returns the messages that begin with prefix.
func of(all []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return !strings.HasPrefix(s, prefix) })
}

// Two people talk while the network does its worst to one of them. Nothing is missing,
// nothing is repeated, and both see the same order. X1, X2, D2, U1.
func TestChat(t *testing.T) {
	browser := startBrowser(t)
	chat := startChat(t)
	ann, bob := openTab(t, browser, "ann", chat.url), openTab(t, browser, "bob", chat.url)
	total := 0
	both := func(step string, more ...string) {
		t.Helper()
		total += len(more)
		ann.untilShows(total)
		bob.untilShows(total)
		a, b := ann.texts(), bob.texts()
		if !slices.Equal(a, b) {
			t.Errorf("%s: they see different things\nann %q\nbob %q", step, a, b)
		}
		if len(a) != total {
			t.Errorf("%s: %d messages are shown, %d were written: %q", step, len(a), total, a)
		}
		for _, prefix := range []string{"a-" + step, "b-" + step} {
			if got, want := of(a, prefix), of(more, prefix); !slices.Equal(got, want) {
				t.Errorf("%s: shown %q, written %q", step, got, want)
			}
		}
	}

	for _, p := range []*tab{ann, bob} {
		p.untilState("open")
		p.until("name", `document.getElementById('name').value !== ''`)
		p.rename(strings.ToUpper(p.name[:1]) + p.name[1:])
	}
	for _, p := range []*tab{ann, bob} {
		p.until("both in the list", `document.querySelectorAll('#people li').length === 2
			&& document.getElementById('people').innerText.includes('Ann')
			&& document.getElementById('people').innerText.includes('Bob')`)
	}
	id := get[string](bob, `document.getElementById('id').textContent`)

	ann.say("a-hello 1")
	bob.until("ann's message", `document.querySelectorAll('.message').length === 1`)
	bob.say("b-hello 1")
	both("hello", "a-hello 1", "b-hello 1")

	ann.talk("a-cut", 12)
	bob.talk("b-cut", 6)
	for range 3 {
		bob.untilState("open")
		time.Sleep(150 * time.Millisecond) // during the conversation
		bob.click("cut")
	}
	both("cut", append(sequence("a-cut", 12), sequence("b-cut", 6)...)...)

	bob.click("away")
	bob.untilState("paused")
	ann.say("a-away 1")
	ann.say("a-away 2")
	ann.say("a-away 3")
	bob.say("b-away 1")
	bob.say("b-away 2")
	bob.until("two messages wait", `document.getElementById('waiting').textContent === '2'`)
	ann.until("three messages sent", `document.querySelectorAll('.own:not(.waiting)').length === 16`)
	replayed := get[string](bob, `document.getElementById('replayed').textContent`)
	bob.click("away") // back early
	both("away", append(sequence("a-away", 3), sequence("b-away", 2)...)...)
	if now := get[string](bob, `document.getElementById('replayed').textContent`); now == replayed {
		t.Errorf("replayed stays at %s", now)
	}

	ann.talk("a-switch", 30)
	bob.talk("b-switch", 30)
	bob.do(`globalThis.states = new Set()
		new MutationObserver(all => all.forEach(one => states.add(one.oldValue).add(document.body.dataset.state)))
			.observe(document.body, { attributeFilter: ['data-state'], attributeOldValue: true })`)
	marks := get[int](bob, `document.querySelectorAll('.mark').length`)
	for _, transport := range []string{"poll", "sse", "websocket", "poll", "websocket", "sse", "poll"} {
		bob.use(transport)
		bob.until(transport, fmt.Sprintf(`document.body.dataset.transport === %q
			&& document.getElementById('notice').textContent.includes('Now over')`, transport))
	}
	both("switch", append(sequence("a-switch", 30), sequence("b-switch", 30)...)...)
	if states := get[[]string](bob, `[...states]`); !slices.Equal(states, []string{"open"}) {
		t.Errorf("switching showed the states %q", states)
	}
	if now := get[int](bob, `document.querySelectorAll('.mark').length`); now != marks {
		t.Errorf("switching left %d marks in the conversation", now-marks)
	}

	ann.talk("a-refresh", 10)
	bob.click("away")
	bob.untilState("paused")
	bob.say("b-refresh 1")
	bob.say("b-refresh 2")
	bob.must(chromedp.Do(bob.ctx, chromedp.Reload()))
	bob.until("open over poll", `document.body.dataset.transport === 'poll' && document.body.dataset.state === 'open'`)
	both("refresh", append(sequence("a-refresh", 10), sequence("b-refresh", 2)...)...)
	if now := get[string](bob, `document.getElementById('id').textContent`); now != id {
		t.Errorf("bob was %s and is %s", id, now)
	}

	chat.stop()
	ann.untilState("reconnecting")
	bob.untilState("reconnecting")
	bob.say("b-restart 1")
	chat.start(strings.TrimPrefix(chat.url, "http://"))
	for _, p := range []*tab{ann, bob} {
		p.until("a mark of the restart",
			`[...document.querySelectorAll('.mark.loss')].some(e => e.textContent.includes('restarted'))`)
	}
	both("restart", "b-restart 1")
	if now := get[string](bob, `document.getElementById('id').textContent`); now != id {
		t.Errorf("after the restart bob was %s and is %s", id, now)
	}
	chat.stop()
}

// If the log could not keep all messages of the meantime, the page says how many are
// missing, and continues. D3.
func TestChatGap(t *testing.T) {
	browser := startBrowser(t)
	chat := startChat(t)
	bob := openTab(t, browser, "bob", chat.url)
	bob.untilState("open")
	bob.until("a name", `document.getElementById('name').value !== ''`)
	bob.click("away")
	bob.untilState("paused")
	const talkers, each = 6, 190 // the log holds 1 000; each may send a burst of 200
	for range talkers {
		plainTalk(t, chat.url, each)
	}

	bob.click("away") // back
	bob.untilState("open")
	bob.until("a mark of the gap", `[...document.querySelectorAll('.mark.loss')]
		.some(e => /^\d+ messages were lost here: more was said/.test(e.textContent))`)
	last := fmt.Sprintf(`[...document.querySelectorAll('.message .text')].at(-1).textContent === 'plain %d'`, each)
	bob.until("the last message", last)
	doubled := get[bool](bob, `new Set([...document.querySelectorAll('.message')].map(e => e.at)).size
		!== document.querySelectorAll('.message').length`)
	if doubled {
		t.Error("a message is shown twice")
	}

	bob.say("still here")
	bob.until("bob's own message", `document.querySelector('.own:not(.waiting) .text')?.textContent === 'still here'`)
	bob.picture("gap")
	chat.stop()
}

// plainTalk is a person with curl who says n things: it opens a stream, and sends a plain
// POST for each.
func plainTalk(t *testing.T, url string, n int) {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	stream, err := client.Get(url + "/live")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stream.Body.Close() })
	go io.Copy(io.Discard, stream.Body)
	for i := range n {
		answer, err := client.Post(url+"/live", "text/plain", strings.NewReader(fmt.Sprint("plain ", i+1)))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("POST: %s %s", answer.Status, body)
		}
	}
}

// Two tabs of one browser are one person. Each gets every message once, and sends the
// messages that were written in it. D8.
func TestChatTabs(t *testing.T) {
	browser := startBrowser(t)
	chat := startChat(t)
	one := openTab(t, browser, "one", chat.url)
	one.untilState("open")
	two := openTab(t, one.ctx, "two", chat.url, sameBrowser)
	two.untilState("open")
	one.talk("one", 10)
	two.talk("two", 10)
	two.click("cut")
	for _, p := range []*tab{one, two} {
		p.untilShows(20)
		if n := get[int](p, `document.querySelectorAll('.own').length`); n != 20 {
			t.Errorf("%s: %d messages are shown as its own", p.name, n)
		}
		if n := get[int](p, `document.querySelectorAll('#people li').length`); n != 1 {
			t.Errorf("%s: %d people", p.name, n)
		}
	}
	if a, b := one.texts(), two.texts(); !slices.Equal(a, b) || len(a) != 20 {
		t.Errorf("they see different things\none %q\ntwo %q", a, b)
	}
	chat.stop()
}

// A server that has lost its keys no longer recognizes anybody. Messages written under
// the old identity are handed back, not sent. U3.
func TestChatStranger(t *testing.T) {
	browser := startBrowser(t)
	chat := startChat(t)
	bob := openTab(t, browser, "bob", chat.url)
	bob.untilState("open")
	chat.stop()
	bob.untilState("reconnecting")
	bob.say("as the old me")
	chat.noKeys = true
	chat.start(strings.TrimPrefix(chat.url, "http://"))
	bob.until("the message handed back", `document.querySelector('.failed .note')?.textContent.startsWith('not sent')`)
	bob.picture("stranger")
	bob.do(`document.querySelector('.failed button').click()`)
	bob.untilShows(1)
	if got := bob.texts(); !slices.Equal(got, []string{"as the old me"}) {
		t.Errorf("shown: %q", got)
	}
	chat.stop()
}

// TestChatPictures saves how the page looks in the middle of a conversation: light, dark,
// on a phone, away, after a restart. It fails if the page is wider than its window.
func TestChatPictures(t *testing.T) {
	browser := startBrowser(t)
	chat := startChat(t)
	ann, bob := openTab(t, browser, "ann", chat.url), openTab(t, browser, "bob", chat.url)
	for name, p := range map[string]*tab{"Ann": ann, "Bob": bob} {
		p.untilState("open")
		p.until("a name", `document.getElementById('name').value !== ''`)
		p.rename(name)
	}
	bob.look("empty")

	n := 0
	says := func(p *tab, texts ...string) {
		for _, text := range texts {
			p.say(text)
			n++
			p.until(text, fmt.Sprintf(`[...document.querySelectorAll('.message:not(.waiting) .text')]
				.some(e => e.textContent === %q)`, text))
			time.Sleep(300 * time.Millisecond)
		}
	}

	says(ann, "Morning! Did the train get wifi after all?")
	says(bob, "Sort of. It comes and goes with every tunnel.", "Which makes this a good test, I suppose.")
	says(ann, "You have not dropped a single line so far.")

	bob.use("poll")
	bob.until("poll", `document.body.dataset.transport === 'poll' && document.body.dataset.state === 'open'`)
	says(bob, "And now I am on long-poll. Same session, same place in the conversation.")
	says(ann, "Did not notice a thing.")
	bob.use("sse")
	bob.until("sse", `document.body.dataset.transport === 'sse' && document.body.dataset.state === 'open'`)

	bob.click("away")
	bob.untilState("paused")
	says(ann, "Long tunnel coming up?", "I will just keep talking, then. It all arrives when you are out again, "+
		"in order and once, however many of these I write while nobody is listening.")
	bob.say("Typing into the dark here.")
	bob.say("These go out when the light is back.")
	n += 2

	time.Sleep(2 * time.Second) // for the strip
	bob.look("away")
	bob.click("away")
	for _, p := range []*tab{ann, bob} {
		p.untilShows(n)
	}

	says(ann, "There you are!")
	time.Sleep(time.Second)
	for _, scheme := range []string{"light", "dark"} {
		bob.scheme(scheme)
		bob.look(scheme)
		ann.scheme(scheme)
		ann.viewport(390, 844)
		ann.do(`document.getElementById('log').scrollTop = 1e6`)
		ann.look("phone-" + scheme)
		ann.click("toggle")
		ann.look("phone-session-" + scheme)
		ann.click("toggle")
	}

	ann.viewport(320, 568)
	ann.look("small")
	ann.click("toggle")
	ann.look("small-session")
	bob.scheme("light")

	chat.stop()
	bob.untilState("reconnecting")
	bob.say("Is it me or the server?")
	bob.look("reconnecting")
	chat.start(strings.TrimPrefix(chat.url, "http://"))
	bob.until("a mark of the restart", `document.querySelector('.mark.loss') !== null`)
	bob.untilShows(n + 1)
	bob.look("restart")
	chat.stop()
}

// scheme sets the color scheme that the person prefers: light or dark.
func (b *tab) scheme(name string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
	b.must(err)
}

// look saves a picture, and checks that the page does not scroll sideways.
func (b *tab) look(name string) {
	b.t.Helper()
	time.Sleep(150 * time.Millisecond) // the strip is painted ten times a second
	b.picture(name)
	if get[bool](b, `document.documentElement.scrollWidth > innerWidth || visualViewport.scale < 1`) {
		b.t.Errorf("%s: the page is wider than its window", name)
	}
}
