package e2e

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// A browser that has no cookie yet gets one id, however many clients and tabs begin at
// the same moment.
func TestClientFirstVisit(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	for _, row := range []struct {
		name       string
		tabs       int
		clients    []string // the names of their records in each tab
		delay      time.Duration
		transports []string
	}{
		{name: "two clients in a page", tabs: 1, clients: []string{"a", "b"}, transports: []string{"default", "poll"}},
		{name: "two clients with one record", tabs: 1, clients: []string{"", ""}, transports: []string{"default"}},
		{
			name: "two clients, very slow network", tabs: 1, clients: []string{"a", "b"},
			delay: time.Second, transports: []string{"default"},
		},
		{
			name: "four tabs, slow network", tabs: 4, clients: []string{""},
			delay: 200 * time.Millisecond, transports: []string{"default", "sse"},
		},
	} {
		for _, transport := range row.transports {
			t.Run(row.name+" on "+transport, func(t *testing.T) {
				t.Parallel()
				s := startSite(t, setup{})
				s.proxy.Delay(row.delay)
				pages := s.visit(browser, s.proxy.URL(), transport, row.tabs, row.clients)
				s.proxy.Heal()
				s.id() // requires that there is one

				s.sendAll(20)
				for _, b := range pages {
					b.do(`say(20)`)
				}
				for i, b := range pages {
					b.wait("messages down", `allGot(20)`)
					b.wait("messages up", `allAccepted()`)
					for n := range row.clients {
						name := fmt.Sprint("tab", i, "-", n)
						s.mu.Lock()
						if up := s.up[name]; up == nil || !slices.Equal(*up, upTo(20)) {
							t.Errorf("%v came up from %s", up, name)
						}
						s.mu.Unlock()
					}
				}
			})
		}
	}
}

// Over plain http there are no Web Locks, so clients that begin at the same moment may
// get several ids. Each of them works. From the next page load on they have one.
func TestClientFirstVisitPlain(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		s := startSite(t, setup{})
		origin := strings.Replace(s.proxy.URL(), "127.0.0.1", "app.mirage.test", 1)
		pages := s.visit(startBrowser(t), origin, transport, 2, []string{"a", "b"})
		if get[bool](pages[0], `isSecureContext || 'locks' in navigator`) {
			t.Fatal("there are Web Locks")
		}
		ids := func() (ids []string) {
			for _, b := range pages {
				ids = append(ids, get[[]string](b, `pair.map(({ client }) => client.id)`)...)
			}
			slices.Sort(ids)
			return slices.Compact(ids)
		}
		t.Logf("%d ids of four clients", len(ids()))
		for _, b := range pages {
			b.do(`say(20)`)
			b.wait("messages up", `allAccepted()`)
		}

		for _, b := range pages {
			b.must(chromedp.Do(b.ctx, chromedp.Reload()))
			b.wait("open", `allOpen()`)
		}
		if ids := ids(); len(ids) != 1 {
			t.Errorf("the next pages have the ids %q", ids)
		}
	})
}

// visit opens tabs of one browser without cookies at the same moment, and waits until
// their clients are open.
func (s *site) visit(browser context.Context, origin, transport string, tabs int, clients []string) []*tab {
	s.Helper()
	o := only(transport)
	if transport == "default" {
		o = nil
	}

	pages := []*tab{openTab(s.T, browser, s.Name(), "about:blank")}
	for range tabs - 1 {
		pages = append(pages, openTab(s.T, pages[0].ctx, s.Name(), "about:blank", sameBrowser))
	}

	var all sync.WaitGroup
	for i, b := range pages {
		names := url.Values{"client": clients}.Encode()
		page := origin + "/pair.html?" + names + "&"
		page = strings.Replace(s.address(fmt.Sprint("tab", i, "-"), o), s.proxy.URL()+"/?", page, 1)
		all.Go(func() {
			if err := chromedp.Do(b.ctx, chromedp.Navigate(page)); err != nil {
				s.Error(err)
			}
		})
	}
	all.Wait()
	for _, b := range pages {
		b.wait("open", `allOpen()`)
	}
	return pages
}
