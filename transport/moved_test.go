package transport_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/store"
)

// A moment is when a page without a link sends its GET, relative to the change of the id.
type moment struct {
	name string
	at   func(hook, late time.Duration) time.Duration // counted from the change
	lag  time.Duration                                // that the GET is on its way
}

const instant = time.Millisecond

var moments = []moment{
	{"granted before", func(hook, _ time.Duration) time.Duration { return -hook - 5*instant }, 0},
	{"answered before", func(hook, late time.Duration) time.Duration { return -hook - late/2 - instant }, 0},
	{"while its hook runs", func(hook, _ time.Duration) time.Duration { return -hook/2 - instant }, 0},
	{"while it is on its way", always(-5 * instant), 10 * instant},
	{"while it is on its way for long", always(-5 * instant), 5 * time.Second},
	{"before the answer is there", always(5 * instant), 0},
	{"after the answer", func(_, late time.Duration) time.Duration { return late + 5*instant }, 0},
}

// behind is the moment of a GET that the middleware lets in before the change, and that
// takes a second from there to the transport.
var behind = moment{"behind the middleware", always(-500 * time.Millisecond), 0}

func always(d time.Duration) func(hook, late time.Duration) time.Duration {
	return func(time.Duration, time.Duration) time.Duration { return d }
}

var hooks = []time.Duration{-1, 0, 100 * time.Millisecond, 3 * time.Second} // the first one is none

// I14, I15: whatever the pages of an honest visitor do while he logs in, no page stops.
// Each gets a link of the new identity and everything that is sent to it, once, and the
// browser ends up with the new cookie.
func TestI14PagesAtLogIn(t *testing.T) {
	for _, how := range []logIn{rotate, replace, revalidate, join} {
		for _, hook := range hooks {
			if hook < 0 && how != rotate {
				continue // it takes a Validate
			}
			for _, late := range []time.Duration{0, 150 * time.Millisecond} {
				t.Run(fmt.Sprintf("%s, hook %v, answers after %v", how, hook, late), func(t *testing.T) {
					for _, when := range moments {
						pagesAtLogIn(t, &shop{how: how, hook: hook}, late, when, pageWays)
					}
				})
			}
		}
	}
}

// I14: the same for pages that are alone on their transport, so that no other page starts
// anything that affects them.
func TestI14PagesAtLogInByThemselves(t *testing.T) {
	for _, how := range []logIn{rotate, replace, revalidate, join} {
		for _, way := range pageWays {
			t.Run(fmt.Sprintf("%s, %s", how, way), func(t *testing.T) {
				for _, when := range moments {
					app := &shop{how: how, hook: 100 * time.Millisecond}
					pagesAtLogIn(t, app, 150*time.Millisecond, when, []string{way})
				}
			})
		}
	}
}

// I13, I14: the same where the id changes between the middleware, which let the request
// in, and the transport, which begins the link.
func TestI14PagesAtLogInBehindTheMiddleware(t *testing.T) {
	for _, how := range []logIn{rotate, replace, revalidate, join} {
		t.Run(string(how), func(t *testing.T) {
			for _, ways := range [][]string{pageWays, {"sse"}, {"poll"}, {websocket}, {eventSource}} {
				pagesAtLogIn(t, &shop{how: how, slow: time.Second}, 150*time.Millisecond, behind, ways)
			}
		})
	}
}

// pagesAtLogIn has three pages on each of the ways: one with a link at the log-in, one
// that is between two links, or two polls, then, and one that is loaded about then.
func pagesAtLogIn(t *testing.T, app *shop, late time.Duration, when moment, ways []string) {
	how, hook := app.how, max(0, app.hook)
	inWorld(t, app.setup(), func(w *world) {
		b := w.browser()
		pipe := b.pipe(takes(late))
		b.fetch("GET", "/")
		old := b.holds()
		open, resting, fresh := b.pages(ways), b.pages(ways), b.pages(ways)
		known := slices.Concat(open, resting)
		all := slices.Concat(known, fresh)
		defer closePages(all)

		// Somebody with the same account, in another browser.
		elsewhere := w.browser().page("sse")
		if how == join {
			signed, err := w.codec.Set(http.Header{}, account)
			w.must(err)
			elsewhere.b.header["Cookie"] = []string{"mirage=" + signed}
			elsewhere.load()
			defer elsewhere.close()
		}

		for _, p := range known {
			p.load()
		}
		time.Sleep(20 * time.Second)
		for _, p := range resting {
			p.rest()
		}
		synctest.Wait()
		w.send(old, "before")
		sayAll(known, "early")
		time.Sleep(5 * time.Second)

		// The id changes when the log-in's hook has answered, or one request later.
		start := time.Now().Add(5 * time.Second)
		change := start.Add(hook)
		if how == replace || how == join {
			change = change.Add(late + hook)
		}
		var work sync.WaitGroup
		for _, p := range slices.Concat(resting, fresh) {
			work.Go(func() {
				time.Sleep(time.Until(change.Add(when.at(hook, late))))
				p.lag.Store(int64(when.lag))
				p.loadOrResume()
			})
		}
		time.Sleep(time.Until(start))
		b.fetch("POST", "/login")
		if how == replace || how == join {
			b.fetch("GET", "/")
		}
		work.Wait()
		if !app.changedAt().Equal(change) {
			t.Fatalf("the id changed at %v, not at %v", app.changedAt(), change)
		}
		sent := []string{"before"}
		if how == rotate {
			w.send(b.holds(), "after")
			sent = append(sent, "after")
		}
		sayAll(known, "during")

		// Once the old id is not unsettled any more either, everybody is where he
		// belongs.
		time.Sleep(25 * time.Second)
		id := b.holds()
		if id == old || id == "" || how != rotate && id != account {
			t.Fatalf("%s: the browser ends up with a cookie for %q; it was %q", when.name, id, old)
		}
		for _, p := range all {
			if !p.on(id) {
				t.Errorf("%s: %s; want a link of %q", when.name, p.story(), id)
			}
		}
		sayAll(all, "late")
		w.send(id, "last")
		sent = append(sent, "last")
		time.Sleep(5 * time.Second)

		for _, p := range known {
			if how == join { // to another log, from which a plain page, which acknowledges nothing, gets it again
				if p.way != eventSource {
					p.hasEnd(sent...)
				}
				continue
			}
			p.has(sent...)
			p.follows(old, id)
		}
		for _, p := range fresh {
			p.hasEnd(sent...)
		}
		if how == join {
			elsewhere.hasEnd(sent...)
		}
		app.counts(w, map[string]int{"early": len(known), "during": len(known), "late": len(all)})
		if n := len(app.from(id, "late")); n != len(all) {
			t.Errorf("%s: %d of %d pages were heard as %q", when.name, n, len(all), id)
		}
		pipe.check(w, id)
	})
}

// I14, I15, I16: pages of all kinds come, rest and go on at any time around several
// log-ins, and every response takes its own time. None stops, and each gets everything
// from its beginning on, once.
func TestI14PagesAtRandom(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 14))
			pagesAtRandom(t, random)
		})
	}
}

func pagesAtRandom(t *testing.T, random *rand.Rand) {
	upTo := func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d))) }
	app := &shop{how: rotate, odd: true, hook: []time.Duration{-1, hooks[2], hooks[3]}[random.IntN(3)]}
	if random.IntN(2) == 0 {
		app.slow = upTo(time.Second)
	}
	late := upTo(2 * time.Second)
	inWorld(t, app.setup(), func(w *world) {
		b := w.browser()
		pipe := b.pipe(func(*http.Request) time.Duration { return rand.N(late + 1) })
		b.fetch("GET", "/")
		ids := []string{b.holds()}
		start := time.Now()

		// Each page is loaded at some time, rests once, perhaps, and says something now
		// and then.
		var all []*page
		var work sync.WaitGroup
		said := map[string]int{}
		for range 6 + random.IntN(10) {
			p := b.page(pageWays[random.IntN(len(pageWays))])
			all = append(all, p)
			load, rest, lag := upTo(40*time.Second), upTo(time.Minute), upTo(4*time.Second)
			work.Go(func() {
				time.Sleep(load)
				p.lag.Store(int64(lag))
				p.load()
				time.Sleep(rest / 2)
				p.rest()
				p.say("during " + p.name())
				time.Sleep(rest / 2)
				p.lag.Store(int64(lag))
				p.resume()
			})
			said["during"]++
		}
		defer closePages(all)

		var sent []string
		for i := range 1 + random.IntN(4) {
			for j := range 1 + random.IntN(3) {
				time.Sleep(upTo(6 * time.Second))
				text := fmt.Sprintf("m%d.%d", i, j)
				_, err := w.m.Send(w.Context(), ids[len(ids)-1], store.Text(text))
				if errors.Is(err, store.ErrNotFound) { // nobody was there yet
					continue
				}
				w.must(err)
				sent = append(sent, text)
			}
			time.Sleep(upTo(6 * time.Second))
			b.fetch("POST", "/login")
			ids = append(ids, b.holds())
		}
		time.Sleep(time.Until(start.Add(3 * time.Minute)))
		work.Wait()
		id := ids[len(ids)-1]
		if b.holds() != id {
			t.Errorf("the browser ends up with a cookie for %q; want the last of %q", b.holds(), ids)
		}
		w.send(id, "last")
		sent = append(sent, "last")
		time.Sleep(10 * time.Second)
		for _, p := range all {
			if !p.on(id) {
				t.Errorf("%s; want the last of %q", p.story(), ids)
			}
			p.hasEnd(sent...)
		}
		app.counts(w, said)
		pipe.check(w, ids[1:]...)
	})
}
