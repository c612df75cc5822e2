package transport_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport"
	"github.com/mirage-go/mirage/transport/poll"
)

// D7: if all places are taken, the link whose client was silent for longest ends in
// favour of another reader's, and its client is told when to reconnect. It does so then,
// and has lost nothing.
func TestD7CrowdedOut(t *testing.T) {
	for _, tt := range []struct {
		transport string
		begin     func(tab *tab) (ended func(w *world)) // which checks how the link ended
	}{
		{"stream", func(tab *tab) func(*world) {
			l := tab.open()
			return func(w *world) {
				if <-l.done; l.err != nil || !slices.Contains(tab.told, "mirage-drain") {
					w.Errorf("%v, told of %v", l.err, tab.told)
				}
			}
		}},
		{"poll", func(tab *tab) func(*world) {
			tab.poll("0")
			return func(w *world) {
				if a := tab.poll("0"); a.status != 429 || a.header.Get("Retry-After") != "60" {
					w.Errorf("%d %s", a.status, a.body)
				}
			}
		}},
		{"websocket", func(tab *tab) func(*world) {
			s := tab.openSocket()
			return func(w *world) {
				if code, reason := s.code(); code != 1012 || !slices.Contains(tab.told, "mirage-drain") {
					w.Errorf("%d %s, told of %v", code, reason, tab.told)
				}
			}
		}},
	} {
		t.Run(tt.transport, func(t *testing.T) {
			inWorld(t, setup{transport: transport.Options{Poll: poll.Options{Pause: time.Hour}}}, func(w *world) {
				b := w.browser()
				b.streams = true
				tab := b.tab()
				var drain time.Duration
				tab.note = func(e frame.Event) { drain = max(drain, retryOf(e)) }
				ended := tt.begin(tab)

				time.Sleep(time.Minute)
				for range 32 {
					b.tab().open()
				}
				synctest.Wait()
				ended(w)
				if tt.transport != "poll" && drain != time.Minute {
					t.Errorf("it is to come back after %v", drain)
				}

				w.send(tab.hello.ID, "a")
				time.Sleep(time.Minute) // nobody acknowledges: by then the others are gone
				tab.open()
				tab.has("a")
				if !tab.hello.Resumed {
					t.Errorf("hello: %+v", tab.hello)
				}
			})
		})
	}
}

// retryOf is what mirage-drain says, 0 for other events.
func retryOf(e frame.Event) time.Duration {
	if e.Name != frame.EventDrain {
		return 0
	}
	_, text, _ := strings.Cut(string(e.Data), `"retry":`)
	ms, _ := strconv.Atoi(strings.TrimRight(text, "}"))
	return time.Duration(ms) * time.Millisecond
}

// refusal checks that a new link is refused on every transport in the form that its
// client can read.
func (b *browser) refusal(reason string, after int) {
	b.w.Helper()
	seconds := fmt.Sprint(after)
	for _, query := range []string{b.tab().query(""), b.tab().query("&_wait=25")} {
		a := b.do("GET", query, "")
		if a.status != 429 || a.header.Get("Retry-After") != seconds || !strings.Contains(a.body, reason) {
			b.w.Errorf("GET %s: %d, Retry-After %q: %s", query, a.status, a.header.Get("Retry-After"), a.body)
		}
	}
	if a := b.do("GET", "", ""); a.status != 200 || a.body != fmt.Sprintf("retry: %d000\n\n", after) {
		b.w.Errorf("a plain EventSource: %d %q", a.status, a.body)
	}
	if _, resp, err := b.tab().upgrade(b.w.Context(), b.tab().query("")); err == nil ||
		resp.StatusCode != 429 || resp.Header.Get("Retry-After") != seconds {
		b.w.Errorf("a WebSocket of a program: %+v %v", resp, err)
	}
	for _, query := range []string{b.tab().query(""), ""} {
		s, _, err := b.tab().upgrade(b.w.Context(), query, "Origin", b.w.home(), "Sec-Fetch-Site", "same-origin")
		b.w.must(err)
		_, _, err = s.Read(b.w.Context())
		if ws.CloseStatus(err) != 4429 || !strings.Contains(err.Error(), reason+"; retry in "+seconds+" s") {
			b.w.Errorf("a WebSocket of a page, %q: %v", query, err)
		}
		s.CloseNow()
	}
}

// L1: if all links belong to other readers whose clients have been active lately, another
// tab is refused and told so. A reader that is already there gets a link. No other
// session is affected.
func TestL1CrowdedRefusal(t *testing.T) {
	inWorld(t, setup{session: session.Options{MaxLinks: 3}}, func(w *world) {
		b := w.browser()
		b.streams = true
		tabs := []*tab{b.tab(), b.plain(), b.tab()}
		var lines []*line
		for _, tab := range tabs {
			lines = append(lines, tab.open())
		}
		b.refusal("all links of this session are taken by its other tabs: close one, or come back later", 60)

		for range 5 { // its network changes, and the server has not noticed yet
			tabs[0].open()
		}
		tabs[0].post()
		w.send(tabs[0].hello.ID, "a")
		for _, tab := range tabs {
			tab.has("a")
		}
		lines[1].close() // a place comes free
		if tab := b.tab(); tab.open() == nil || tab.hellos != 1 {
			t.Error("no link in the place that came free")
		}
		if tab := w.browser().tab(); tab.open() == nil || tab.hellos != 1 {
			t.Error("no link for somebody else")
		}
	})
}

// L1: the rate at which links of one session may begin holds on every transport. Polls
// that continue a link do not count, and no other session is affected.
func TestL1LinkRate(t *testing.T) {
	inWorld(t, setup{session: session.Options{LinkRate: 1, LinkBurst: 4}}, func(w *world) {
		b := w.browser()
		b.streams = true
		poller, left, other := b.tab(), b.tab(), w.browser()
		poller.poll("0")
		left.open().close()
		b.plain().open()
		s := b.tab().openSocket()
		b.refusal("too many new links: come back later", 5)
		for range 10 {
			if a := poller.poll("0"); a.status != 200 {
				t.Errorf("a poll that goes on: %d %s", a.status, a.body)
			}
		}
		if tab := other.tab(); tab.open() == nil || tab.hellos != 1 {
			t.Error("somebody else is refused")
		}
		s.CloseNow()
		time.Sleep(time.Second)
		if tab := b.tab(); tab.open() == nil || tab.hellos != 1 {
			t.Error("a second later there is none")
		}
		b.refusal("too many new links: come back later", 5)
	})
}

// L1: a client that says goodbye each time, which ends its session, does not get around
// the rate.
func TestL1LinkRateOfAnID(t *testing.T) {
	inWorld(t, setup{session: session.Options{LinkRate: 1, LinkBurst: 10}}, func(w *world) {
		b := w.browser()
		refused := 0
		for range 20 {
			tab := b.tab()
			if a := tab.poll("0"); a.status == 429 {
				refused++
				continue
			}
			b.do("DELETE", tab.query(""), "", "Mirage-Link", tab.token())
		}
		if refused != 10 {
			t.Errorf("%d of 20 were refused, want 10", refused)
		}
	})
}

// L1: what honest visitors do never meets the rate: 32 tabs of one browser come back at
// once after each of three deployments within ten seconds, each with a race of three
// transports, and so again half a minute later.
func TestL1LinkRateOfTheHonest(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		b := w.browser()
		b.streams = true
		b.tab().open().close()
		var tabs []*tab
		for range 32 {
			tabs = append(tabs, b.tab())
		}

		for round := range 6 {
			var lines []*line
			for _, tab := range tabs {
				lines = append(lines, tab.dial(), tab.dial())
				if a := b.do("GET", tab.query("&_wait=0"), ""); a.status != 200 {
					t.Fatalf("round %d: %d %s", round, a.status, a.body)
				}
			}

			synctest.Wait()
			for _, l := range lines {
				l.close()
				if l.err != nil && strings.HasPrefix(l.err.Error(), "status") {
					t.Fatalf("round %d: %v", round, l.err)
				}
			}
			time.Sleep([]time.Duration{5 * time.Second, 5 * time.Second, 30 * time.Second}[round%3])
		}
	})
}

// D8: if there are more tabs than links, and their clients follow the protocol, they make
// few requests. Each tab has its turn, and gets everything that was sent.
func TestD8MoreTabsThanLinks(t *testing.T) {
	const tabs, length = 36, 30 * time.Minute
	for _, busy := range []bool{false, true} {
		t.Run(fmt.Sprint("busy ", busy), func(t *testing.T) {
			inWorld(t, setup{}, func(w *world) {
				b := w.browser()
				b.streams = true
				first := b.tab()
				first.open().close()
				id := first.hello.ID

				time.Sleep(time.Second)
				var gets, refused atomic.Int64
				var clients sync.WaitGroup
				end := make(chan struct{})
				all := make([]*waiting, tabs)
				for i := range all {
					all[i] = &waiting{tab: b.tab(), gets: &gets, refused: &refused}
					clients.Go(func() { all[i].run(end) })
				}

				for range int(length / (10 * time.Second)) {
					time.Sleep(10 * time.Second)
					if !busy {
						continue
					}
					w.send(id, "news")
					synctest.Wait()
					for _, c := range all {
						if c.live.Load() {
							c.tab.post() // acknowledges
						}
					}
				}

				minutes := length.Minutes()
				t.Logf("%d tabs: %.1f GETs a minute, of which %.1f refused",
					tabs, float64(gets.Load())/minutes, float64(refused.Load())/minutes)
				if most := tabs*3 + 5*minutes*(tabs-32); float64(gets.Load()) > most { // links age, 36 in ten minutes
					t.Errorf("%d GETs, at most %.0f are right", gets.Load(), most)
				}

				close(end)
				clients.Wait()
				for i, c := range all {
					if !busy && c.tab.hellos == 0 {
						t.Errorf("tab %d never had a link", i)
					}
				}
			})
		})
	}
}

// waiting is a client that reconnects when it is told to.
type waiting struct {
	tab           *tab
	gets, refused *atomic.Int64
	live          atomic.Bool
}

func (c *waiting) run(end chan struct{}) {
	var drain time.Duration
	c.tab.note = func(e frame.Event) { drain = retryOf(e) }

	for {
		c.gets.Add(1)
		drain = 0
		wait := time.Duration(0)
		r, err := c.tab.b.request(c.tab.b.w.Context(), "GET", c.tab.query(""), "")
		switch {
		case err != nil:
			return // the test has ended
		case r.StatusCode == http.StatusOK:
			stop := make(chan struct{})
			go func() {
				select {
				case <-end:
					r.Body.Close()
				case <-stop:
				}
			}()
			c.live.Store(true)
			_ = c.tab.read(r.Body)
			c.live.Store(false)
			close(stop)
			wait = max(drain, 100*time.Millisecond)
		default:
			c.refused.Add(1)
			wait = retryAfter(r.Header)
		}

		r.Body.Close()
		select {
		case <-time.After(wait):
		case <-end:
			return
		}
	}
}
