package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/store"
)

// A log-in and a log-out by fetch, with a slow hook and a slow network, in one of three
// tabs, one on each transport. No tab stops at a log-in, whether it is linked or still
// loading. Each continues under the new id, and gets everything once. At a log-out each
// is told so, and the page may log in again without a reload. I11, I14.
func TestI14ClientLogIn(t *testing.T) {
	t.Parallel()
	const late = 150 * time.Millisecond
	ids := make(chan string, 10)
	var held atomic.Pointer[chan struct{}] // the response is held back until this is closed
	var settling atomic.Int32              // links that were told to come back

	answer := func(w http.ResponseWriter) {
		time.Sleep(late)
		if until := held.Load(); until != nil {
			<-*until
		}
		w.WriteHeader(http.StatusNoContent)
	}

	s := startSite(t, setup{
		identity: middleware.Options{
			Validate: func(*http.Request, string) (string, error) {
				time.Sleep(100 * time.Millisecond)
				return "", nil
			},
			Count: func(what string) {
				if what == "settling" {
					settling.Add(1)
				}
			},
		},
		routes: map[string]http.HandlerFunc{
			"POST /login": func(w http.ResponseWriter, r *http.Request) {
				id, err := middleware.Rotate(w, r)
				if err != nil {
					t.Error(err)
				}
				ids <- id
				answer(w)
			},
			"POST /logout": func(w http.ResponseWriter, r *http.Request) {
				if err := middleware.Logout(w, r); err != nil {
					t.Error(err)
				}
				answer(w)
			},
		},
	})

	browser := startBrowser(t)
	var tabs []*tab
	for i, transport := range transports {
		if i > 0 {
			tabs = append(tabs, openTab(t, tabs[0].ctx, transport, s.address(transport, only(transport)), sameBrowser))
		} else {
			tabs = append(tabs, openTab(t, browser, transport, s.address(transport, only(transport))))
		}
		tabs[i].opened()
	}

	first := tabs[0]
	id := s.id()
	n := 0

	send := func() {
		n++
		if _, err := s.manager().Send(t.Context(), id, store.Text(strconv.Itoa(n))); err != nil {
			t.Errorf("Send %d to %q: %v", n, id, err)
		}
	}
	all := func() {
		t.Helper()
		for _, b := range tabs {
			b.wait("the id", fmt.Sprintf(`client.state === 'open' && client.id === %q`, id))
		}
		send()
		for _, b := range tabs {
			b.wait("the last message", fmt.Sprintf(`record.got.at(-1)?.[1] === %d`, n))
			if got := get[runs](b, `record.got`); !slices.Equal(got, upTo(n)) {
				t.Errorf("%s: %v came, want %v", b.name, got, upTo(n))
			}
		}
	}
	ask := func(path string) {
		t.Helper()
		first.do(`globalThis.answered = 0`)
		first.do(fmt.Sprintf(`void fetch(%q, { method: 'POST' }).then(r => { answered = r.status })`, path))
	}
	answered := func() {
		t.Helper()
		first.wait("an answer", `answered`)
		if status := get[int](first, `answered`); status != http.StatusNoContent {
			t.Errorf("the answer is %d", status)
		}
	}

	send()
	all()
	s.proxy.Delay(late)

	for _, b := range tabs {
		b.do(`client.addEventListener('mirage', e => { record.previous = e.previous })`)
	}
	old := id
	ask("/login")
	answered()
	id = <-ids
	send() // before they are back
	all()
	for _, b := range tabs {
		if previous := get[string](b, `record.previous`); previous != old {
			t.Errorf("%s: hello says that it was %q, not %q", b.name, previous, old)
		}
	}

	// The id changes a second time. While the response is on its way, one tab is
	// reloaded, and one reconnects. Both present the old cookie.
	s.proxy.Heal()
	tabs[2].do(`client.disconnect()`)
	until := make(chan struct{})
	held.Store(&until)
	ask("/login")
	id = <-ids
	before := settling.Load()
	tabs[1].do(`location.reload()`)
	tabs[2].do(`client.connect()`)
	s.until("two links that begin too early", func() bool { return settling.Load() >= before+2 })
	held.Store(nil)
	close(until)
	answered()
	send()
	all()

	// One tab is disconnected when somebody logs out.
	last := tabs[len(tabs)-1]
	last.do(`client.disconnect()`)
	ask("/logout")
	answered()
	last.do(`client.connect()`)
	for _, b := range tabs {
		b.wait("closed", `client.state === 'closed'`)
		if told := b.events(); told[len(told)-1] != "close 4410 the id was revoked" {
			t.Errorf("%s: at the log-out it was told %q", b.name, told)
		}
	}

	ask("/login")
	answered()
	id = <-ids
	first.do(`globalThis.client = new client.constructor('/live', { name: 'again' })`)
	first.wait("the next visit", fmt.Sprintf(`client.state === 'open' && client.id === %q`, id))
}
