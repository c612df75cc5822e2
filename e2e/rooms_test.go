package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/mirage-go/mirage/miragetest"
)

// inRoom opens a page as somebody of that name, in a room.
func inRoom(t *testing.T, url, name, room string) *tab {
	t.Helper()
	b := openTab(t, startBrowser(t), name, url+"/#"+room)
	b.entered(room)
	b.fill("name", name)
	b.submit("me")
	return b
}

// entered waits until the page has the history of a room.
func (b *tab) entered(room string) {
	b.t.Helper()
	b.until("the room "+room, fmt.Sprintf(`document.getElementById('title')?.textContent === %q
		&& document.getElementById('log').ariaBusy === 'false'`, room))
}

// sees waits until the page shows these messages, and no others.
func (b *tab) sees(texts ...string) {
	b.t.Helper()
	b.until(fmt.Sprint(len(texts), " messages"), fmt.Sprintf(`document.querySelectorAll('.message').length >= %d
		&& !document.querySelector('.waiting')`, len(texts)))
	if got := b.texts(); !slices.Equal(got, texts) {
		b.t.Errorf("%s sees %q, want %q", b.name, got, texts)
	}
}

// present waits until the page lists these people.
func (b *tab) present(names ...string) {
	b.t.Helper()
	slices.Sort(names)
	b.until("present: "+strings.Join(names, ", "), fmt.Sprintf(
		`document.getElementById('count').textContent === '%d' && [...document.querySelectorAll('#people li')]
			.map(e => e.textContent).sort().join() === %q`, len(names), strings.Join(names, ",")))
}

const typingLine = `document.getElementById('typing').textContent`

// Who comes late sees what was said, who is here, and who is typing. Who has stopped
// typing, or has said it, is not shown any more.
func TestRooms(t *testing.T) {
	t.Parallel()
	rooms := startExample(t, "rooms")
	ann := inRoom(t, rooms.url, "Ann", "lobby")
	ann.looks("rooms-empty")
	ann.say("hello?")
	ann.say("<b>anybody?</b>")
	ann.sees("hello?", "<b>anybody?</b>")
	bob := inRoom(t, rooms.url, "Bob", "lobby")
	bob.sees("hello?", "<b>anybody?</b>")
	for _, b := range []*tab{ann, bob} {
		b.present("Ann", "Bob")
	}
	if own := get[int](bob, `document.querySelectorAll('.own').length`); own != 0 {
		t.Errorf("bob wrote %d of ann's messages", own)
	}

	ann.fill("text", "wait")
	bob.until("ann types", typingLine+` === 'Ann is typing …'`)
	if own := get[string](ann, typingLine); own != "" {
		t.Errorf("ann sees %q", own)
	}
	bob.until("nobody types", typingLine+` === ''`)
	ann.fill("text", "wait for it")
	bob.until("ann types again", typingLine+` !== ''`)
	ann.submit("say")
	bob.sees("hello?", "<b>anybody?</b>", "wait for it")
	bob.until("nobody types", typingLine+` === ''`)

	bob.must(chromedp.Do(bob.ctx, chromedp.Reload()))
	bob.entered("lobby")
	bob.sees("hello?", "<b>anybody?</b>", "wait for it")
	bob.fill("name", "Robert")
	bob.submit("me")
	ann.present("Ann", "Robert")
	bob.must(chromedp.Do(bob.ctx, chromedp.Navigate("about:blank")))
	ann.present("Ann")
	rooms.stop()
}

// Two tabs of one person are in two rooms, and each gets what is said in its own. A page
// that goes to another room has what was said there, and nothing of the first.
func TestRoomsSwitch(t *testing.T) {
	t.Parallel()
	rooms := startExample(t, "rooms")
	ann := inRoom(t, rooms.url, "Ann", "lobby")
	second := openTab(t, ann.ctx, "ann's second tab", rooms.url+"/#garden", sameBrowser)
	second.entered("garden")
	bob := inRoom(t, rooms.url, "Bob", "lobby")

	ann.say("in the lobby")
	second.say("in the garden")
	ann.sees("in the lobby")
	second.sees("in the garden")
	bob.sees("in the lobby")
	bob.do(`document.querySelector('#rooms a[href="#garden"]').click()`)
	bob.entered("garden")
	bob.sees("in the garden")
	bob.present("Ann", "Bob")
	ann.present("Ann")
	bob.say("here, too")
	second.sees("in the garden", "here, too")
	bob.fill("other", "A Room of One's Own")
	bob.submit("open")
	bob.entered("a-room-of-one-s-own")
	bob.sees()
	bob.do(`history.go(-2)`)
	bob.entered("lobby")
	bob.sees("in the lobby")
	ann.sees("in the lobby")
	ann.present("Ann", "Bob")
	rooms.stop()
}

// Without a network nothing is lost that the room still remembers, and the page says what
// is. What was written goes out once, also if the server was restarted.
func TestRoomsAway(t *testing.T) {
	t.Parallel()
	rooms := startExample(t, "rooms")
	proxy := miragetest.NewProxy(t, rooms.url)
	ann := inRoom(t, rooms.url, "Ann", "lobby")
	bob := inRoom(t, proxy.URL(), "Bob", "lobby")
	ann.present("Ann", "Bob")
	away := func(off bool) {
		t.Helper()
		offline(bob, off)
		if !off {
			proxy.Heal()
			bob.until("a link", `document.body.dataset.link === 'open'`)
			return
		}
		proxy.Refuse()
		proxy.Cut(miragetest.RST)
		bob.until("a notice", `document.getElementById('notice').textContent.startsWith('No connection')`)
	}

	away(true)
	ann.say("one")
	ann.sees("one")
	bob.say("two")
	bob.until("it waits", `document.querySelector('.waiting')`)
	away(false)
	bob.sees("one", "two")
	ann.sees("one", "two")

	away(true)
	ann.do(`(async () => {
		for (let i = 1; i <= 230; i++) {
			document.getElementById('text').value = 'm ' + i
			document.getElementById('say').requestSubmit()
			if (i % 40 === 0) await new Promise(wake => setTimeout(wake, 1000))
		}
	})()`)
	ann.untilShows(232)
	away(false)
	bob.until("the last one", `[...document.querySelectorAll('.text')].at(-1).textContent === 'm 230'`)
	want := append([]string{"one", "two"}, sequence("m", 230)[30:]...)
	if got := bob.texts(); !slices.Equal(got, want) {
		t.Errorf("after a gap: %q", got)
	}
	const gap = "30 messages are missing here: more was said than the room remembers."
	if mark := get[string](bob, `[...document.querySelectorAll('.mark')].map(e => e.textContent).join()`); mark != gap {
		t.Errorf("the gap is told as %q", mark)
	}
	bob.do(`document.querySelector('.mark').scrollIntoView({ block: 'center' })`)
	bob.look("rooms-gap")

	away(true)
	bob.say("after the restart")
	rooms.restart()
	away(false)
	bob.until("it was said", `!document.querySelector('.waiting')`)
	bob.until("a notice",
		`[...document.querySelectorAll('.mark')].at(-1).textContent.startsWith('The server was restarted')`)
	ann.until("a link", `document.body.dataset.link === 'open'`)
	ann.until("it was said", `[...document.querySelectorAll('.text')].at(-1).textContent === 'after the restart'`)
	if n := len(of(ann.texts(), "after the restart")); n != 1 {
		t.Errorf("it was said %d times", n)
	}
	rooms.stop()
}

// A conversation, for its pictures.
func TestRoomsLooks(t *testing.T) {
	t.Parallel()
	rooms := startExample(t, "rooms")
	ann, bob := inRoom(t, rooms.url, "Ann", "workshop"), inRoom(t, rooms.url, "Bob", "workshop")
	cleo := inRoom(t, rooms.url, "Cleo", "workshop")
	n := 0
	for _, m := range []struct {
		b    *tab
		text string
	}{
		{ann, "Morning! Is the lathe free today?"},
		{bob, "From ten on. I am cutting the last legs for the bench."},
		{bob, "You could help me carry it out afterwards."},
		{ann, "Gladly. I will bring coffee."},
		{cleo, "Did somebody say coffee? I just came in and read all of this."},
	} {
		m.b.say(m.text)
		n++
		ann.untilShows(n)
	}
	bob.fill("text", "Oat milk")
	ann.until("bob types", typingLine+` !== ''`)
	ann.do(`document.getElementById('here').open = true`)
	ann.look("rooms-people")
	ann.do(`document.getElementById('here').open = false`)
	ann.looks("rooms")
	ann.viewport(390, 844)
	ann.click("back")
	ann.look("rooms-phone-side")
	ann.scheme("dark")
	ann.viewport(320, 568)
	time.Sleep(300 * time.Millisecond)
	ann.look("rooms-small-side")
	ann.click("back")
	ann.look("rooms-small")
	rooms.stop()
}
