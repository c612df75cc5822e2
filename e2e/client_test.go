package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/mirage-go/mirage/miragetest"
)

// transports are the columns of the tables below.
var transports = []string{"websocket", "sse", "poll"}

// options are those of a page's client.
type options map[string]any

// only returns options for a single transport, so that no other one hides its faults.
func only(transport string) options { return options{"transports": []string{transport}} }

// address returns the address of a page.
func (s *site) address(name string, o options) string {
	text, err := json.Marshal(o)
	if err != nil {
		s.Fatal(err)
	}
	return s.proxy.URL() + "/?" + url.Values{"name": {name}, "options": {string(text)}}.Encode()
}

// each runs a test once for every transport, in parallel with each other and with other
// tests.
func each(t *testing.T, test func(t *testing.T, transport string)) {
	t.Parallel()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			test(t, transport)
		})
	}
}

// A scenario is something that the network, the page or the server does under traffic.
type scenario struct {
	name  string
	quiet bool // the application sees no reconnect
	run   func(*testing.T, *site, *tab)
	setup setup
}

// There are a hundred messages a second, both ways, while the scenario runs. Everything
// arrives once and in order, in one session.
func TestClient(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	for _, row := range scenarios {
		t.Run(row.name, func(t *testing.T) {
			each(t, func(t *testing.T, transport string) {
				s := startSite(t, row.setup)
				b := openTab(t, browser, row.name+" on "+transport, s.address("", only(transport)))
				b.opened()
				s.push(10 * time.Millisecond)
				b.do(`talk(10)`)
				b.traffic(20)
				row.run(t, s, b)
				b.do(`talk(10)`)
				b.traffic(20)
				b.opened()
				if now := get[string](b, `client.transport`); now != transport {
					t.Errorf("the transport is %s", now)
				}
				b.told(!row.quiet)
				s.settled(b)
			})
		})
	}
}

var scenarios = []scenario{
	{name: "RST and FIN", run: func(t *testing.T, s *site, b *tab) {
		for i := range 8 {
			time.Sleep(400 * time.Millisecond)
			s.proxy.Cut([]miragetest.Ending{miragetest.RST, miragetest.FIN}[i%2])
		}
	}},
	// The connection breaks in the middle of what it carries down, again and again at
	// another byte.
	{name: "torn", run: func(t *testing.T, s *site, b *tab) {
		for i := range 10 {
			s.proxy.CutAfter(miragetest.Down, 500+331*i, miragetest.RST)
			b.traffic(25)
		}
	}},
	// X2
	{name: "reload", quiet: true, run: func(t *testing.T, s *site, b *tab) {
		for i := range 3 {
			b.traffic(30)
			b.must(chromedp.Do(b.ctx, chromedp.Reload()))
			b.wait("the next page", fmt.Sprintf(`record.events.filter(e => e === 'load').length === %d`, i+2))
			b.opened()
			b.do(`talk(10)`)
		}
	}},
	{name: "back and forward", run: func(t *testing.T, s *site, b *tab) {
		for i := range 2 {
			if i > 0 {
				b.do(`globalThis.restored = false; talk(10)`)
				b.traffic(20)
			}
			b.must(chromedp.Do(b.ctx, chromedp.Navigate(s.proxy.URL()+"/away.html")))
			down := s.sent()
			s.until("messages that nobody receives", func() bool { return s.sent() > down+30 })
			b.back()
			b.wait("the same page is back", `globalThis.restored`)
			b.opened()
		}
	}},
	// The network silently swallows everything. The client gives up a stream after two
	// heartbeats and five seconds, and a poll if its upstream request has no response
	// within fifteen seconds.
	{name: "black hole", run: func(t *testing.T, s *site, b *tab) {
		s.proxy.Hole()
		time.Sleep(6 * time.Second)
		s.proxy.Heal() // for new connections; the old ones stay silent
		most := 8 * time.Second
		if get[string](b, `client.transport`) == "poll" {
			most = 15 * time.Second
		}
		t.Logf("traffic %v after the hole had ended", b.flows(10, most).Round(10*time.Millisecond))
	}},
	// The browser reports that it is online again, so the client does not wait for the
	// watchdog.
	{name: "black hole, online", run: func(t *testing.T, s *site, b *tab) {
		s.proxy.Hole()
		time.Sleep(time.Second)
		s.proxy.Heal()
		b.do(`dispatchEvent(new Event('online'))`)
		b.flows(10, 2*time.Second)
	}},
	// The browser freezes the page, as it does with tabs in the background.
	{name: "frozen", run: func(t *testing.T, s *site, b *tab) {
		b.lifecycle("frozen")
		time.Sleep(2 * time.Second)
		b.lifecycle("active")
		t.Logf("traffic %v after", b.flows(10, 10*time.Second).Round(10*time.Millisecond))
	}},
	// Another tab is in front: timers are slow, but a link that breaks meanwhile is
	// replaced all the same.
	{name: "hidden", run: func(t *testing.T, s *site, b *tab) {
		b.hide()
		b.traffic(100)
		s.proxy.Cut(miragetest.RST)
		b.traffic(100)
		b.show()
	}},
	// The browser loses and regains its network, again and again.
	{name: "offline and online", run: func(t *testing.T, s *site, b *tab) {
		for range 4 {
			b.offline(s, true)
			b.wait("offline", `!navigator.onLine`)
			time.Sleep(700 * time.Millisecond)
			b.offline(s, false)
			b.wait("online", `navigator.onLine`)
			b.flows(5, 3*time.Second)
		}
	}},
	// The application disconnects, writes meanwhile, and connects again.
	{name: "disconnect", run: func(t *testing.T, s *site, b *tab) {
		for range 3 {
			b.do(`client.disconnect()`)
			s.until("no link", func() bool { return len(s.links.names()) == 0 })
			b.do(`client.connect()`)
			b.traffic(10)
		}
	}},
	// L1: a server shuts down in order and comes back with its store.
	{name: "restart", run: func(t *testing.T, s *site, b *tab) {
		for range 2 {
			s.restart(s.links.Store, 300*time.Millisecond)
			b.opened()
			b.traffic(10)
		}
	}},
	{name: "slow network", quiet: true, run: func(t *testing.T, s *site, b *tab) {
		s.proxy.Delay(150 * time.Millisecond)
		s.proxy.Bandwidth(20_000)
		b.traffic(100)
		s.proxy.Heal()
	}},
}

// X1: live switches at two hundred messages a second, both ways, from each transport to
// each other one. The application does not notice them.
func TestClientSwitch(t *testing.T) {
	t.Parallel()
	s := startSite(t, setup{})
	b := openTab(t, startBrowser(t), "switch", s.address("", options{"transports": transports}))
	b.opened()
	s.push(5 * time.Millisecond)
	b.do(`talk(5)`)
	b.traffic(20)
	for i, at := 0, 0; i < 6; i++ {
		at += 1 + i/len(transports)%(len(transports)-1)
		name := transports[at%len(transports)]
		b.do(fmt.Sprintf(`client.use(%q)`, name))
		b.within(name, fmt.Sprintf(`client.transport === %q`, name), 3*time.Second)
		b.traffic(60)
	}
	b.told(false)
	s.settled(b)
}

func (s *site) sent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down
}

// back presses the browser's back button.
func (b *tab) back() {
	b.t.Helper()
	history, err := chromedp.Call(b.ctx, page.GetNavigationHistory, cdp.Empty{})
	b.must(err)
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	entry := page.NavigateToHistoryEntryParams{EntryID: history.Entries[history.CurrentIndex-1].ID}
	_, err = chromedp.Call(ctx, page.NavigateToHistoryEntry, entry)
	b.must(err)
}

// hide opens another tab in front of the page.
func (b *tab) hide() {
	b.t.Helper()
	attach(b.t, b.ctx, "another tab", chromedp.WithNewWindow(false))
	b.wait("hidden", `document.hidden`)
}

// show brings the page to the front.
func (b *tab) show() {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, page.BringToFront, cdp.Empty{})
	b.must(err)
	b.wait("visible", `!document.hidden`)
}

func (b *tab) lifecycle(state page.SetWebLifecycleStateState) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: state})
	b.must(err)
}

// offline takes the network from the browser, which tells its pages, or gives it back.
// (CDP's own emulation of that crashes Chromium 156.)
func (b *tab) offline(s *site, off bool) {
	b.t.Helper()
	if off {
		s.proxy.Refuse()
		s.proxy.Cut(miragetest.RST)
	} else {
		s.proxy.Heal()
	}
	b.override(off)
}
