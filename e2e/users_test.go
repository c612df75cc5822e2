package e2e

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/mirage-go/mirage/miragetest"
)

// device opens a browser of its own, and logs in.
func device(t *testing.T, url, name, user string) *tab {
	t.Helper()
	b := openTab(t, startBrowser(t), name, url)
	b.logIn(user)
	return b
}

func (b *tab) logIn(user string) {
	b.t.Helper()
	b.arrives("the log-in", `document.querySelector('.login')`)
	b.press(fmt.Sprintf(`button[value="%s"]`, user))
	b.arrives("the inbox", `document.getElementById('notes')?.ariaBusy === 'false'
		&& document.body.dataset.link === 'open'`)
}

// unread waits until the page says that so many notes are unread, everywhere.
func (b *tab) unread(n int) {
	b.t.Helper()
	title := "Inbox"
	if n > 0 {
		title = fmt.Sprintf("(%d) Inbox", n)
	}
	b.until(fmt.Sprint(n, " unread"), fmt.Sprintf(`document.getElementById('unread').textContent === '%d'
		&& document.querySelectorAll('.unread').length === %d && document.title === %q`, n, n, title))
}

// sendTo writes a note, as a person does.
func (b *tab) sendTo(user, text string) {
	b.t.Helper()
	b.do(fmt.Sprintf(`document.getElementById('to').value = %q`, user))
	b.fill("text", text)
	b.submit("send")
}

// Two devices of one user, one of them with two tabs, agree on what is unread, also after
// one of them was without a network. Another user's device has another inbox.
func TestUsersUnread(t *testing.T) {
	t.Parallel()
	users := startExample(t, "users")
	proxy := miragetest.NewProxy(t, users.url)
	desk, phone := device(t, users.url, "ann's desk", "42"), device(t, proxy.URL(), "ann's phone", "42")
	second := openTab(t, desk.ctx, "ann's second tab", users.url, sameBrowser)
	bob := device(t, users.url, "bob", "43")
	all := []*tab{desk, phone, second}
	agree := func(n int) {
		t.Helper()
		for _, b := range all {
			b.unread(n)
		}
	}
	agree(0)
	desk.looks("users-empty")

	bob.sendTo("42", "Lunch?")
	bob.until("sent", `document.getElementById('notice').textContent === 'Sent to Ann.'`)
	bob.sendTo("42", "I found the tickets for Saturday. Shall I bring them along, or leave them at the desk?")
	agree(2)
	bob.unread(0)
	phone.do(`document.querySelector('.unread button').click()`)
	agree(1)

	offline(phone, true)
	proxy.Refuse()
	proxy.Cut(miragetest.RST)
	phone.until("no link", `document.body.dataset.link !== 'open'`)
	bob.sendTo("42", "Hello?")
	desk.unread(2)
	second.unread(2)
	phone.do(`document.querySelector('.unread button').click()`) // it goes out later
	offline(phone, false)
	proxy.Heal()
	agree(1)
	desk.sendTo("42", "A note to myself: <i>call the plumber</i>")
	agree(2)
	phone.looks("users")

	desk.must(chromedp.Do(desk.ctx, chromedp.Reload()))
	agree(2)
	desk.click("all")
	agree(0)
	texts := get[[]string](phone, `[...document.querySelectorAll('#notes p')].map(e => e.textContent)`)
	if len(texts) != 4 || texts[0] != "A note to myself: <i>call the plumber</i>" || texts[3] != "Lunch?" {
		t.Errorf("the notes are %q", texts)
	}
	users.stop()
}

// One device logs out all of its user: at once if they are connected, otherwise when they
// come back. Another user stays. Who logs in again finds the inbox.
func TestUsersLogoutEverywhere(t *testing.T) {
	t.Parallel()
	users := startExample(t, "users")
	proxy := miragetest.NewProxy(t, users.url)
	desk, phone := device(t, users.url, "ann's desk", "42"), device(t, users.url, "ann's phone", "42")
	laptop := device(t, proxy.URL(), "ann's laptop", "42")
	bob := device(t, users.url, "bob", "43")
	bob.sendTo("42", "Lunch?")
	for _, b := range []*tab{desk, phone, laptop} {
		b.unread(1)
		b.until("three devices", `document.querySelectorAll('#devices .here').length === 3`)
	}
	desk.do(`document.getElementById('account').open = true`)
	desk.looks("users-devices")

	offline(laptop, true)
	proxy.Refuse()
	proxy.Cut(miragetest.RST)
	laptop.until("no link", `document.body.dataset.link !== 'open'`)
	desk.press(`[formaction="/logout/everywhere"]`)
	for _, b := range []*tab{desk, phone} {
		b.arrives("the log-in", `document.querySelector('.login')`)
	}
	phone.looks("users-login")
	offline(laptop, false)
	proxy.Heal()
	laptop.arrives("the log-in", `document.querySelector('.login')`)
	if bob.unread(0); get[string](bob, `document.body.dataset.link`) != "open" {
		t.Error("bob was logged out, too")
	}

	phone.logIn("42")
	phone.unread(1)
	desk.logIn("44") // somebody else, on the same browser
	desk.unread(0)
	bob.sendTo("42", "Dinner, then?")
	phone.unread(2)
	bob.sendTo("44", "And you?")
	desk.unread(1)
	users.stop()
}

// A log-out of one device leaves the others.
func TestUsersLogout(t *testing.T) {
	t.Parallel()
	users := startExample(t, "users")
	desk, phone := device(t, users.url, "ann's desk", "42"), device(t, users.url, "ann's phone", "42")
	desk.until("two devices", `document.querySelectorAll('#devices .here').length === 2`)
	desk.press(`[formaction="/logout"]`)
	desk.arrives("the log-in", `document.querySelector('.login')`)
	phone.until("one device", `document.querySelectorAll('#devices li').length === 1`)
	phone.sendTo("42", "still here")
	phone.unread(1)
	users.stop()
}
