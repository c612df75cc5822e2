package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// Over HTTP/1.1 browsers open at most six connections to a host, not counting WebSockets.
// Seven tabs of one person send and receive everything all the same. Without WebSocket
// only five do: the sixth connection is for upstream requests. D8.
func TestClientTabs(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	for _, row := range []struct {
		name string
		tabs int
		o    options
	}{
		{"default", 7, nil},
		{"sse", 5, only("sse")},
		{"poll", 5, only("poll")},
	} {
		// One at a time: seventeen tabs at once are too many for a small machine.
		t.Run(row.name, func(t *testing.T) {
			s := startSite(t, setup{})

			var pages []*tab
			for i := range row.tabs {
				name := fmt.Sprint("tab ", i+1)
				if i == 0 {
					pages = append(pages, openTab(t, browser, name, s.address(name, row.o)))
				} else {
					pages = append(pages, openTab(t, pages[0].ctx, name, s.address(name, row.o), sameBrowser))
				}
				pages[i].within("open", `client.state === 'open'`, 5*time.Second)
			}

			s.push(50 * time.Millisecond)
			for _, b := range pages {
				b.do(`talk(50)`)
			}
			for _, b := range pages {
				b.traffic(20)
			}
			for _, b := range pages {
				b.told(false)
			}
			s.settled(pages...)
		})
	}
}

// Of 36 clients of one person 32 have a link. The others are told when to come back, and
// do not ask before then. The links of the 32 stay. D8, L1.
func TestClientCrowd(t *testing.T) {
	t.Parallel()
	var gets atomic.Int32
	s := startSite(t, setup{front: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && r.URL.Path == "/live" {
				gets.Add(1)
			}
			next.ServeHTTP(w, r)
		})
	}})

	b := openTab(t, startBrowser(t), "crowd", s.address("", nil))
	b.opened()
	b.do(`window.crowd = []; window.delays = []; import('/live/mirage.js').then(async ({ Mirage }) => {
		for (let i = 0; i < 35; i++) { // one at a time: Chromium delays some of many handshakes at once
			const c = new Mirage('/live', { name: 'crowd' + i })
			crowd.push(c)
			await new Promise(known => {
				c.addEventListener('open', known)
				c.addEventListener('mirage-retry', ({ delay }) => known(delays.push(delay)))
			})
		}
	})`)

	b.until("32 links, and 4 that wait", `crowd.filter(c => c.state === 'open').length === 31 && delays.length === 4`)
	back := get[[]float64](b, `delays`)
	if slices.ContainsFunc(back, func(ms float64) bool { return ms != 60_000 }) {
		t.Errorf("they are back after %v ms", back)
	}
	if n := gets.Load(); n != 36 {
		t.Errorf("%d GETs for 36 clients", n)
	}

	b.do(`crowd[0].close()`) // makes room
	b.do(`crowd.find(c => c.state === 'connecting').connect()`)
	b.until("a link in the place that came free", `crowd.filter(c => c.state === 'open').length === 31`)
	b.do(`for (const c of crowd) c.disconnect()`)
}

// A duplicated tab has a copy of the storage. A message that waits in it arrives once,
// from either of the two, and each of them gets everything. X2.
func TestClientDuplicate(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		s := startSite(t, setup{})
		b := openTab(t, startBrowser(t), "original", s.address("", only(transport)))
		b.opened()

		s.push(10 * time.Millisecond)
		b.do(`talk(10)`)
		b.traffic(20)
		b.do(`talk(0)`)
		b.do(`client.disconnect(); for (let i = 0; i < 5; i++) { client.send(':' + ++record.sent['']) }`)
		b.wait("stored", `JSON.parse(sessionStorage.getItem('mirage:' + client.url)).queue.length >= 5`)

		self := chromedp.FromContext(b.ctx).Target.TargetID
		opened := chromedp.WaitNewTarget(b.ctx, func(info *target.Info) bool { return info.OpenerID == self })
		b.do(fmt.Sprintf(`void open(%q)`, s.address("twin", only(transport))))
		twin := attach(t, b.ctx, "twin", chromedp.WithTargetID(<-opened))
		twin.opened()
		b.do(`client.connect(); talk(10)`)
		twin.do(`talk(10)`)

		for _, page := range []*tab{b, twin} {
			page.traffic(30)
		}
		if n := get[int](twin, `record.events.filter(e => e === 'load').length`); n != 2 {
			t.Errorf("the twin has not got a copy of the storage: %v", twin.events())
		}
		b.told(true)
		twin.told(true)
		s.settled(b, twin)
	})
}

// A page that the browser prerenders is not a client until it is shown.
func TestClientPrerendered(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		s := startSite(t, setup{})
		_, query, _ := strings.Cut(s.address("", only(transport)), "?")
		opener := openTab(t, startBrowser(t), "opener", s.proxy.URL()+"/away.html")
		// Chromium does not prerender for a page that is being debugged.
		opener.do(fmt.Sprintf(`void open('/before.html?%s', '', 'noopener')`, query))
		s.until("a page that is not shown", func() bool { return s.prepared.Load() > 0 })
		if s.began() {
			t.Error("a page that is not shown has a session")
		}
		close(s.show)
		s.until("a session", s.began)
		b := attach(t, opener.ctx, "prerendered", chromedp.WithTargetID(opener.find("/?"+query)))
		b.opened()
		if at := get[float64](b, `performance.getEntriesByType('navigation')[0].activationStart`); at == 0 {
			t.Fatal("the page was reloaded")
		}
		s.push(10 * time.Millisecond)
		b.do(`talk(10)`)
		b.traffic(20)
		b.told(false)
		s.settled(b)
	})
}

// find returns the tab of the same person whose address ends with this.
func (b *tab) find(address string) target.ID {
	b.t.Helper()
	infos, err := chromedp.Targets(b.ctx)
	b.must(err)
	own := chromedp.FromContext(b.ctx).Target.TargetID
	self := slices.IndexFunc(infos, func(info *target.Info) bool { return info.TargetID == own })
	for _, info := range infos {
		if info.BrowserContextID == infos[self].BrowserContextID && strings.HasSuffix(info.URL, address) {
			return info.TargetID
		}
	}
	b.t.Fatalf("no tab at %s", address)
	return ""
}
