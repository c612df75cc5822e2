package transport_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/store"
)

// I11: every page of the visitor is told of a log-out, whatever it does at that time; one
// without a link is told when it reconnects. No page continues under another id, and
// nothing that it sends is handled. A page that is loaded afterwards is a new visit, and
// may log in.
func TestI11PagesAtLogOut(t *testing.T) {
	for _, hook := range hooks {
		for _, late := range []time.Duration{0, 150 * time.Millisecond} {
			t.Run(fmt.Sprintf("hook %v, answers after %v", hook, late), func(t *testing.T) {
				for _, when := range moments {
					pagesAtLogOut(t, &shop{how: rotate, hook: hook}, late, when)
				}
			})
		}
	}
}

// I11, I13: the same where the id is revoked between the middleware, which let the
// request in, and the transport, which begins the link.
func TestI11PagesAtLogOutBehindTheMiddleware(t *testing.T) {
	pagesAtLogOut(t, &shop{how: rotate, slow: time.Second}, 150*time.Millisecond, behind)
}

// pagesAtLogOut has three pages on each way, as pagesAtLogIn does.
func pagesAtLogOut(t *testing.T, app *shop, late time.Duration, when moment) {
	hook := max(0, app.hook)
	inWorld(t, app.setup(), func(w *world) {
		b := w.browser()
		pipe := b.pipe(takes(late))
		b.fetch("GET", "/")
		old := b.holds()
		open, resting, fresh := b.pages(pageWays), b.pages(pageWays), b.pages(pageWays)
		if app.slow > 0 {
			fresh = nil // told to come back, it comes as somebody new, whose cookie the others would find
		}
		known := slices.Concat(open, resting)
		all := slices.Concat(known, fresh)
		defer closePages(all)

		for _, p := range known {
			p.load()
		}
		time.Sleep(20 * time.Second)
		for _, p := range resting {
			p.rest()
		}
		synctest.Wait()
		w.send(old, "before") // ends the polls of those that rest
		time.Sleep(5 * time.Second)

		start := time.Now().Add(5 * time.Second)
		change := start.Add(hook)
		leave := change.Add(when.at(hook, late))
		isNew := func(p *page) bool {
			nameless := slices.Contains(fresh, p) || slices.Contains(resting, p) && p.way == eventSource
			return nameless && (leave.After(change.Add(late)) || app.slow > 0)
		}
		var work sync.WaitGroup
		for _, p := range slices.Concat(resting, fresh) {
			work.Go(func() {
				time.Sleep(time.Until(leave))
				if isNew(p) {
					time.Sleep(5 * time.Second) // else the others find its cookie, and go on as who has that
				}
				p.lag.Store(int64(when.lag))
				p.loadOrResume()
			})
		}
		time.Sleep(time.Until(start))
		b.fetch("POST", "/logout")
		sayAll(known, "after")
		work.Wait()
		if !app.changedAt().Equal(change) {
			t.Fatalf("the id was revoked at %v, not at %v", app.changedAt(), change)
		}
		time.Sleep(25 * time.Second)

		// A page that came without the cookie, and could not say who it was, is somebody
		// new.
		for _, p := range all {
			stopped := strings.HasPrefix(p.end(), "410") || strings.HasPrefix(p.end(), `mirage-end {"status":410,`)
			if isNew(p) == stopped || isNew(p) && p.id() == old {
				t.Errorf("%s: %s; told to stop: %t, want %t", when.name, p.story(), stopped, !isNew(p))
			}
		}
		if texts := app.from(old, "after"); len(texts) > 0 {
			t.Errorf("%s: after the log-out of %q the application heard %q", when.name, old, texts)
		}
		if _, err := w.m.Send(w.Context(), old, store.Text("x")); err == nil {
			t.Errorf("%s: there is a session of %q again", when.name, old)
		}
		pipe.check(w)

		// The next visit.
		before := make(map[*page]int)
		for _, p := range all {
			before[p] = len(p.allHellos())
		}
		b.fetch("GET", "/")
		id := b.holds()
		next := b.pages(pageWays)
		defer closePages(next)
		for _, p := range next {
			p.load()
		}
		time.Sleep(5 * time.Second)
		b.fetch("POST", "/login")
		w.send(b.holds(), "to the next")
		time.Sleep(20 * time.Second)
		for _, p := range next {
			if id == "" || id == old || b.holds() == id || !p.on(b.holds()) {
				t.Errorf("%s: %s; want %q at first, and %q then", when.name, p.story(), id, b.holds())
			}
			p.has("to the next")
			p.follows(id, b.holds())
		}
		for _, p := range all {
			if !isNew(p) && len(p.allHellos()) > before[p] {
				t.Errorf("%s: %s: it is back", when.name, p.story())
			}
		}
	})
}

// I11: a log-in by a script right after the log-out works. A page without our client, or
// one that had no link meanwhile, continues as the user who logged in.
func TestI11LogInAfterLogOut(t *testing.T) {
	for _, late := range []time.Duration{0, 150 * time.Millisecond} {
		t.Run(fmt.Sprint("answers after ", late), func(t *testing.T) {
			app := &shop{how: rotate}
			inWorld(t, app.setup(), func(w *world) {
				b := w.browser()
				b.pipe(takes(late))
				b.fetch("GET", "/")
				old := b.holds()

				pages := b.pages(pageWays)
				defer closePages(pages)
				for _, p := range pages {
					p.load()
				}
				time.Sleep(20 * time.Second)
				for _, p := range pages {
					p.rest()
				}
				synctest.Wait()
				w.send(old, "for the old one")
				time.Sleep(time.Second)

				var ids []string
				for range 3 {
					if a := b.fetch("POST", "/logout"); a.status != 200 || b.holds() != "" {
						t.Errorf("log-out: %d, the browser has a cookie for %q", a.status, b.holds())
					}
					a, id := b.fetch("POST", "/login"), b.holds()
					if a.status != 200 || id == "" || slices.Contains(ids, id) {
						t.Errorf("log-in: %d, the browser has a cookie for %q", a.status, id)
					}
					ids = append(ids, id)
				}
				for _, p := range pages {
					p.resume()
				}

				time.Sleep(20 * time.Second)
				id := b.holds()
				w.send(id, "for the new one")
				time.Sleep(time.Second)

				for _, p := range pages {
					p.mu.Lock()
					got, last := slices.Clone(p.got), p.hello
					p.mu.Unlock()
					want := []string{"for the new one"}
					if p.way == "poll" { // which was answered before
						want = []string{"for the old one", "for the new one"}
					}
					if last.ID != id || last.Previous != "" || !slices.Equal(got, want) {
						t.Errorf("%s: has %q; want %q as %q", p.story(), got, want, id)
					}
				}
			})
		})
	}
}
