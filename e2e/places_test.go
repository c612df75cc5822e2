package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/transport"
)

// Where a page's address is not what fetch takes relative ones from, and where scripts are trusted by their nonce alone, and
// where a service worker takes part, a client does what it does elsewhere: cut and reloaded it goes on with one identity.
func TestClientPlaces(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, page string }{
		{"base", "/deep/base.html?url=live&"},
		{"srcdoc", "/srcdoc.html?url=live&"},
		{"nonce", "/nonce.html?"},
		{"service worker", "/served.html?"},
	} {
		t.Run(row.name, func(t *testing.T) {
			each(t, func(t *testing.T, transport string) {
				s := startSite(t, setup{})
				s.keeps(row.name+" on "+transport, strings.Replace(s.address("", only(transport)), "/?", row.page, 1))
			})
		})
	}
}

// The same from a page of another origin and of another site, which the server lists. Its cookies do not come.
func TestClientAbroad(t *testing.T) {
	t.Parallel()
	for _, credentials := range []string{"same-origin", "include"} {
		t.Run(credentials, func(t *testing.T) {
			each(t, func(t *testing.T, name string) {
				mux := http.NewServeMux()
				mux.Handle("/live/mirage.js", transport.Script())
				mux.Handle("/", clientPages)
				pages := httptest.NewServer(mux)
				t.Cleanup(pages.Close)
				origin := strings.Replace(pages.URL, "127.0.0.1", "localhost", 1)
				s := startSite(t, setup{identity: middleware.Options{Origins: []string{origin}}})
				o := only(name)
				o["credentials"] = credentials
				page := origin + "/?" + url.Values{"url": {s.proxy.URL() + "/live"}}.Encode() + "&"
				s.keeps("abroad on "+name, strings.Replace(s.address("", o), s.proxy.URL()+"/?", page, 1))
			})
		})
	}
}

// keeps wants the client at an address to lose nothing when its link is cut and when its page is loaded anew.
func (s *site) keeps(name, address string) {
	s.Helper()
	b := openTab(s.T, startBrowser(s.T), name, address)
	for load := 1; load <= 2; load++ {
		if load > 1 {
			b.must(chromedp.Do(b.ctx, chromedp.Reload()))
		}
		b.wait("the page", fmt.Sprintf(`record.events.filter(e => e === 'load').length === %d`, load))
		b.opened()
		if load == 1 {
			s.push(10 * time.Millisecond)
		}
		b.do(`talk(10)`)
		b.traffic(20)
		s.proxy.Cut(miragetest.RST)
		b.traffic(20)
	}
	b.told(true)
	s.settled(b)
}
