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

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/mirage-go/mirage/miragetest"
)

// A page whose storage is full or forbidden works. It is told that what waits would not
// outlive it.
func TestClientStorage(t *testing.T) {
	browser := startBrowser(t)
	for _, row := range []struct{ name, before, after string }{
		{name: "full", after: `for (let size = 1 << 20, n = 0; size >= 1;) {
			try { sessionStorage.setItem('fill' + n++, 'x'.repeat(size)) } catch { size >>= 1 }
		}`},
		{name: "forbidden", before: `Object.defineProperty(globalThis, 'sessionStorage', {
			get() { throw new DOMException('forbidden', 'SecurityError') }
		})`},
	} {
		t.Run(row.name, func(t *testing.T) {
			each(t, func(t *testing.T, transport string) {
				s := startSite(t, setup{})
				address := strings.Replace(s.address("", only(transport)), "/?", "/pair.html?client=&", 1)
				b := openTab(t, browser, row.name+" storage on "+transport, s.proxy.URL()+"/away.html")
				first := page.AddScriptToEvaluateOnNewDocumentParams{Source: row.before}
				_, err := chromedp.Call(b.ctx, page.AddScriptToEvaluateOnNewDocument, first)
				b.must(err)
				b.must(chromedp.Do(b.ctx, chromedp.Navigate(address)))
				b.wait("open", `allOpen()`)
				b.do(row.after)
				b.do(`globalThis.stored = []
					pair[0].client.addEventListener('mirage-queue', e => stored.push(e.stored))`)

				s.proxy.Refuse()
				s.proxy.Cut(miragetest.RST)
				b.do(`say(20)`)
				b.within("a warning", `pair[0].client.waiting === 20 && stored.includes(false)`, 15*time.Second)
				s.sendAll(20)
				s.proxy.Heal()
				b.wait("messages", `allGot(20) && allAccepted()`)

				b.must(chromedp.Do(b.ctx, chromedp.Reload()))
				b.wait("open", `allOpen()`)
				s.sendAll(1)
				b.wait("a message", `pair[0].record.got.at(-1)?.[1] === 21`)
				if up := *s.up["0"]; !slices.Equal(up, upTo(20)) {
					t.Errorf("%v came up", up)
				}
			})
		})
	}
}

// A frame in a sandbox, or one from a data: URL, has an opaque origin: no cookie and no
// storage. The server refuses it, and nothing is thrown. If something in front of the
// server lets it in, its client works.
func TestClientOpaque(t *testing.T) {
	browser := startBrowser(t)
	each(t, func(t *testing.T, transport string) {
		for _, row := range []struct {
			name   string
			letIn  bool
			source string // the frame's attributes, with the script's address
		}{
			{"sandbox, refused", false, `sandbox="allow-scripts" srcdoc="<script type=module src='%s'></script>"`},
			{"sandbox", true, `sandbox="allow-scripts" srcdoc="<script type=module src='%s'></script>"`},
			{"data", true, `src="data:text/html,<script type=module src='%s'></script>"`},
		} {
			t.Run(row.name, func(t *testing.T) {
				t.Parallel()
				var o setup
				if row.letIn {
					o.front = letIn
				}
				s := startSite(t, o)
				_, query, _ := strings.Cut(s.address("", only(transport)), "?")
				script := s.proxy.URL() + "/frame.js?" + strings.ReplaceAll(query, "'", "%27")
				if strings.HasPrefix(row.name, "data") {
					script = url.PathEscape(script)
				}
				outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "text/html; charset=utf-8")
					fmt.Fprintf(w, `<!doctype html><script>
						globalThis.record = []
						onmessage = ({ data }) => record.push(data)
					</script><iframe %s></iframe>`, fmt.Sprintf(row.source, html.EscapeString(script)))
				}))
				t.Cleanup(outer.Close)

				b := openTab(t, browser, unlisted+" "+row.name+" on "+transport, outer.URL)
				if row.letIn {
					b.wait("open", `record.some(({ state, storage }) => state === 'open' && storage === 'forbidden')`)
					s.sendAll(20)
					b.wait("messages down", `record.some(({ got }) => got === 20)`)
					b.wait("messages up", `record.some(({ waiting }) => waiting === 0)`)
					if up := *s.up[""]; !slices.Equal(up, upTo(20)) {
						t.Errorf("%v came up", up)
					}
				} else {
					b.wait("a warning", `record.some(({ waiting, stored }) => waiting === 20 && !stored)`)
					b.wait("three retries", `record.filter(({ retry }) => retry).length > 2`)
					if s.began() {
						t.Error("an opaque origin has a session")
					}
				}
				if thrown := get[[]string](b, `record.map(({ error }) => error).filter(Boolean)`); len(thrown) > 0 {
					t.Errorf("the frame threw %q", thrown)
				}
			})
		}
	})
}

// letIn passes requests of opaque origins off as the site's own.
func letIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") == "null" {
			w.Header().Set("Access-Control-Allow-Origin", "null")
			w.Header().Set("Access-Control-Allow-Headers", "*")
			w.Header().Set("Access-Control-Allow-Methods", "*")
			r.Header.Set("Origin", "http://"+r.Host)
			r.Header.Del("Sec-Fetch-Site")
		}
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
