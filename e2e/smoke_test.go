package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/mirage-go/mirage/miragetest"
)

// A browser under TestSmoke.
type browser struct {
	name   string
	caches bool // pages with links, in its back/forward cache

	// show starts the browser with a page. It returns a function that closes the window
	// of another page as a user does. If a script closes its window, Chromium and WebKit
	// end all requests before they tell the page.
	show func(t *testing.T, address string) (shut func(other *remote))
}

var browsers = []browser{
	{"chromium", true, func(t *testing.T, address string) func(*remote) {
		b := openTab(t, startBrowser(t), t.Name(), address)
		return func(other *remote) {
			window := attach(t, b.ctx, other.name, chromedp.WithTargetID(b.find(other.address)))
			window.must(chromedp.Cancel(window.ctx))
		}
	}},
	{"firefox", false, func(t *testing.T, address string) func(*remote) {
		startFirefox(t, `user_pref("dom.disable_open_during_load", false);`, address)
		return func(other *remote) { other.do("shut") }
	}},
	{"webkit", true, func(t *testing.T, address string) func(*remote) {
		w := startWebKit(t, address)
		return func(other *remote) { w.shut(other.address) }
	}},
}

// In each browser and on each transport, with a hundred messages a second both ways, the
// connections break, and the page is reloaded, is left and shown again, opens a second
// window and changes its transport. Everything arrives once and in order, in one session.
func TestSmoke(t *testing.T) {
	t.Parallel()
	for _, b := range browsers {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			for _, transport := range transports { // one at a time: the start of a browser takes both processors
				t.Run(transport, func(t *testing.T) { smoke(t, b, transport) })
			}
		})
	}
}

func smoke(t *testing.T, b browser, transport string) {
	s := startSite(t, setup{})
	p := startRemotes(s).page("first")
	began := time.Now()
	lap := func(step string) {
		t.Helper()
		t.Logf("%s: %v", step, time.Since(began).Round(10*time.Millisecond))
		began = time.Now()
	}

	shut := b.show(t, p.at(only(transport)))
	p.opened(transport)
	s.push(10 * time.Millisecond)
	p.do("talk", 10)
	p.traffic(20)
	lap("start")

	for _, how := range []miragetest.Ending{miragetest.RST, miragetest.FIN} {
		s.proxy.Cut(how)
		p.traffic(20)
	}
	lap("cut")

	for range 2 {
		p.reload("reload")
	}
	p.opened(transport)
	lap("refresh")

	p.back(transport, b.caches)
	lap("back")

	p.window(transport, shut)
	lap("window")

	// From here on all transports are allowed. Before, another one might have hidden the
	// faults of this one.
	from := slices.Index(transports, transport)
	round := slices.Concat(transports[from+1:], transports[:from+1])
	p.reload("go", p.at(options{"transports": round}))
	for _, next := range round {
		p.do("use", next)
		p.opened(next)
		p.traffic(20)
	}
	lap("switch")

	p.settled()
	lap("end")
}

// back leaves the page for another one and comes back to it.
func (p *remote) back(transport string, cached bool) {
	p.Helper()
	p.do("go", p.elsewhere())
	p.wait("another page", func(now status) bool { return now.State == "elsewhere" })
	down := p.site.sent()
	p.site.until("messages that nobody receives", func() bool { return p.site.sent() > down+30 })

	p.do("back")
	now := p.opened(transport)
	if cached && now.Restored == 0 {
		p.Errorf("the page was loaded again: %q", now.Events)
	}
	p.do("talk", 10)
	p.traffic(20)
}

// window opens a second window and closes it while messages wait in it.
func (p *remote) window(transport string, shut func(*remote)) {
	p.Helper()
	other := p.page("second")
	o := only(transport)
	o["name"] = other.name // a window that a page opens has a copy of its storage
	p.do("open", other.at(o))
	other.opened(transport)
	other.do("talk", 10)
	other.traffic(20)
	p.traffic(20)

	other.do("talk", 0)
	now := other.wait("silence", func(now status) bool { return now.BufferedAmount == 0 })
	other.whole(now)
	p.site.proxy.Delay(300 * time.Millisecond) // the first message is on its way for long enough
	other.do("send", 20)
	shut(other)
	last := now.Sent[other.name] + 20
	p.site.until("the last words", func() bool { return p.site.arrived(other.name) == last })
	p.site.proxy.Heal()
	p.site.came(other.name, last)
	p.site.linked(1)
}
