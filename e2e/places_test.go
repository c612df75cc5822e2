package e2e

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/transport"
)

// A client works as usual if fetch resolves relative addresses against something else
// than the page's address, if only scripts with a nonce are trusted, or if a service
// worker takes part. After a cut and a reload it continues with the same identity.
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
				s.referred()
			})
		})
	}
}

// The same from a page of another origin that the server lists. The cookie counts if the
// client asks for credentials and the browser allows them for pages of that site. A
// WebSocket sends it in any case. Otherwise the client keeps its id on its own, for its
// tab.
func TestClientAbroad(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ host, credentials string }{
		{"localhost", "same-origin"},
		{"localhost", "include"},
		{"127.0.0.1", "same-origin"}, // the same site as the server, by its name; the port makes another origin
		{"127.0.0.1", "include"},
	} {
		t.Run(row.host+" "+row.credentials, func(t *testing.T) {
			each(t, func(t *testing.T, name string) {
				mux := http.NewServeMux()
				mux.Handle("/live/mirage.js", transport.Script())
				mux.Handle("/", clientPages)
				pages := httptest.NewServer(mux)
				t.Cleanup(pages.Close)
				origin := strings.Replace(pages.URL, "127.0.0.1", row.host, 1)

				foreign := func() (*site, string) {
					s := startSite(t, setup{identity: middleware.Options{Origins: []string{origin}}})
					o := only(name)
					o["credentials"] = row.credentials
					page := origin + "/?" + url.Values{"url": {s.proxy.URL() + "/live"}}.Encode() + "&"
					return s, strings.Replace(s.address("", o), s.proxy.URL()+"/?", page, 1)
				}

				if row.host == "localhost" {
					s, address := foreign()
					s.keeps("abroad on "+name, address)
				}

				_, address := foreign()
				b := openTab(t, startBrowser(t), "abroad on "+name, address)
				b.opened()
				other := openTab(t, b.ctx, "another tab of it", address, sameBrowser)
				other.opened()
				one := get[string](b, `client.id`) == get[string](other, `client.id`)
				want := row.host == "127.0.0.1" && (row.credentials == "include" || name == "websocket")
				if one != want {
					t.Errorf("two tabs have one id: %v, want %v", one, want)
				}
			})
		})
	}
}

// unlisted is the prefix of the names of the tabs that CORS has to stop.
const unlisted = "unlisted"

// I9: a page of an origin that the server does not list cannot read why it is refused,
// because the refusal has no CORS headers. Its client reports failed attempts without a
// status, as if the server were down, and does not close.
func TestI9ClientUnlisted(t *testing.T) {
	browser := startBrowser(t)
	for _, host := range []string{"localhost", "127.0.0.1"} { // another site, and another port of the same site
		t.Run(host, func(t *testing.T) {
			each(t, func(t *testing.T, name string) {
				pages := http.NewServeMux()
				pages.Handle("/live/mirage.js", transport.Script())
				pages.Handle("/", clientPages)
				other := httptest.NewServer(pages)
				t.Cleanup(other.Close)

				s := startSite(t, setup{})
				live := url.Values{"url": {s.proxy.URL() + "/live"}}.Encode()
				page := strings.Replace(other.URL, "127.0.0.1", host, 1) + "/?" + live + "&"
				address := strings.Replace(s.address("", only(name)), s.proxy.URL()+"/?", page, 1)
				b := openTab(t, browser, unlisted+" on "+name, address)

				b.until("three retries", `record.events.filter(e => e.startsWith('retry')).length > 2`)
				for _, event := range b.events() {
					if event != "load" && !strings.HasPrefix(event, "retry connect  ") { // no status
						t.Errorf("the application was told %q", event)
					}
				}
				if state := get[string](b, `client.state`); state != "connecting" || s.began() {
					t.Errorf("state %q, a session %v", state, s.began())
				}
			})
		})
	}
}

// A frame of another site gets no cookie. Its client works like others if it keeps its id
// on its own.
func TestClientFramed(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		s := startSite(t, setup{})
		o := only(name)
		o["mirage"] = ""
		p := startRemotes(s).page("frame")
		frame := p.at(o)

		outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<!doctype html><iframe src="%s"></iframe>`, html.EscapeString(frame))
		}))
		t.Cleanup(outer.Close)
		openTab(t, startBrowser(t), "framed on "+name, strings.Replace(outer.URL, "127.0.0.1", "localhost", 1))

		p.opened(name)
		s.push(10 * time.Millisecond)
		p.do("talk", 10)
		p.traffic(20)
		p.reload("reload")
		p.settled()
	})
}

// keeps requires that the client at an address loses nothing when its link is cut and
// when its page is reloaded.
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

// I9: over plain http the Referer may be the only sign of which page asks. Each fetch of
// the client sends it, although the pages' own policy is to send none.
func TestI9Referer(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		s := startSite(t, setup{})
		b := openTab(t, startBrowser(t), "Referer on "+transport, s.address("", only(transport)))
		b.opened()
		b.do(`client.send(':1')`)
		b.wait("accepted", `client.bufferedAmount === 0`)
		b.do(`client.close()`) // a DELETE is a fetch on every transport
		s.until("the session's end", s.over)
		s.referred()
	})
}

// referred fails the test if a fetch arrived without the address of a page of this site.
func (s *site) referred() {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bare) > 0 {
		methods := slices.Compact(slices.Sorted(slices.Values(s.bare)))
		s.Errorf("%d fetches without the page's address: %q", len(s.bare), methods)
	}
}
