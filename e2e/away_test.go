package e2e

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/mirage-go/mirage/miragetest"
)

// A page is away for eight seconds, in which all its connections die without a sign, as
// those of a phone in a pocket do. Messages flow soon after it is back.
func TestClientAway(t *testing.T) {
	browser := startBrowser(t)
	for _, row := range []struct {
		name        string
		leave, back func(*site, *tab)
	}{
		{
			name:  "frozen",
			leave: func(_ *site, b *tab) { b.freeze() },
			back:  func(_ *site, b *tab) { b.thaw() },
		},
		{
			// What came while the connection lived proves nothing: the page sees it
			// later.
			name: "frozen with messages on their way",
			leave: func(s *site, b *tab) {
				b.freeze()
				down := s.sent()
				s.until("messages on their way", func() bool { return s.sent() > down+25 })
			},
			back: func(_ *site, b *tab) { b.thaw() },
		},
		{
			name: "in the back/forward cache",
			leave: func(s *site, b *tab) {
				b.must(chromedp.Do(b.ctx, chromedp.Navigate(s.proxy.URL()+"/away.html")))
			},
			back: func(_ *site, b *tab) {
				b.back()
				b.wait("the same page is back", `globalThis.restored`)
			},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			each(t, func(t *testing.T, transport string) {
				s := startSite(t, setup{})
				b := openTab(t, browser, row.name+" on "+transport, s.address("", only(transport)))
				b.opened()
				s.push(20 * time.Millisecond)
				b.do(`talk(20)`)
				b.traffic(20)

				row.leave(s, b)
				s.proxy.Hole()
				time.Sleep(8 * time.Second)
				s.proxy.Heal() // for new connections; the old ones stay silent
				row.back(s, b)
				took := b.flows(10, 15*time.Second) // the aim is three; a busy machine takes longer
				t.Logf("traffic after %v", took.Round(time.Millisecond))
				b.do(`talk(20)`)
				b.told(true)
				s.settled(b)
			})
		})
	}
}

// After each of three outages of five seconds a visible page is back with the network, on
// the transport that it had.
func TestClientOutages(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	for _, row := range []struct {
		name       string
		away       func(*site)
		back       func(*tab)
		transports []string
	}{
		{
			name: "refused",
			away: func(s *site) {
				s.proxy.Refuse()
				s.proxy.Cut(miragetest.RST)
			},
			back:       func(*tab) {},
			transports: []string{"websocket", "sse", "poll", "default"},
		},
		{
			// The browser says that the network is back. Without that only the watchdog
			// helps.
			name:       "black hole",
			away:       func(s *site) { s.proxy.Hole() },
			back:       func(b *tab) { b.do(`dispatchEvent(new Event('online'))`) },
			transports: []string{"poll", "default"},
		},
	} {
		for _, transport := range row.transports {
			t.Run(row.name+" on "+transport, func(t *testing.T) {
				t.Parallel()
				o := only(transport)
				if transport == "default" {
					o = nil
				}
				s := startSite(t, setup{})
				b := openTab(t, browser, t.Name(), s.address("", o))
				b.opened()
				s.push(20 * time.Millisecond)
				b.do(`talk(20)`)
				time.Sleep(3 * time.Second) // a transport whose link lasted for two seconds works, and is tried again
				for range 3 {
					b.traffic(20)
					row.away(s)
					time.Sleep(5 * time.Second)
					s.proxy.Heal()
					row.back(b)
					took := b.flows(10, 10*time.Second) // the aim is 1.5; a busy machine takes longer
					t.Logf("traffic after %v", took.Round(time.Millisecond))
				}
				if o == nil {
					again := b.within("WebSocket", `client.transport === 'websocket'`, 45*time.Second)
					t.Logf("WebSocket again after %v", again.Round(time.Millisecond))
				}
				b.told(true)
				s.settled(b)
			})
		}
	}
}

// A client that comes back over a slow network keeps its transport: it is not left for
// one whose attempt ended only because another attempt succeeded.
func TestClientSlowReturn(t *testing.T) {
	t.Parallel()
	s := startSite(t, setup{})
	b := openTab(t, startBrowser(t), "slow return", s.address("", nil))
	b.opened()
	s.push(20 * time.Millisecond)
	b.do(`talk(20)
		globalThis.others = []
		client.addEventListener('mirage-transport', e => others.push(e.transport))`)
	b.traffic(20)

	s.proxy.Refuse()
	s.proxy.Cut(miragetest.RST)
	b.wait("the loss", `client.state === 'reconnecting'`)
	s.proxy.Heal()
	s.proxy.Delay(600 * time.Millisecond) // more than the client gives an attempt before the next one
	t.Logf("traffic after %v", b.flows(10, 20*time.Second).Round(time.Millisecond))
	b.traffic(150)
	if others := get[[]string](b, `others`); len(others) > 0 {
		t.Errorf("it went to %q", others)
	}
	s.proxy.Heal()
	b.told(true)
	s.settled(b)
}

// freeze freezes a page in the background, as browsers do.
func (b *tab) freeze() {
	b.t.Helper()
	b.hide()
	b.lifecycle("frozen")
}

// thaw is called for a frozen page that its user looks at again.
func (b *tab) thaw() {
	b.t.Helper()
	b.lifecycle("active")
	b.show()
}
