package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
)

// I7: a link that Revalidate ended accepts nothing any more, on every transport: what
// comes with its token is answered 401, and nothing of it is handled. The client
// reconnects through Validate, once for each link, and its messages are handled then.
func TestI7RenewedLinksTakeNothing(t *testing.T) {
	for _, way := range []string{"sse", "poll", websocket} {
		t.Run(way, func(t *testing.T) {
			var app inbox
			var asked atomic.Int32
			s := setup{session: session.Options{OnMessage: app.onMessage}}
			s.identity.Validate = func(*http.Request, string) (string, error) { asked.Add(1); return "", nil }
			inWorld(t, s, func(w *world) {
				b := w.browser()
				b.pipe(takes(0))
				b.do("GET", "?_wait=0", "") // for the cookie
				p := b.page(way)
				p.load()
				defer p.close()
				time.Sleep(20 * time.Second)

				p.say("before")
				synctest.Wait()
				app.has(w, "before")
				if n := asked.Load(); n != 1 {
					t.Errorf("Validate was asked %d times for one link", n)
				}

				// The client does not come back until it has tried everything with the
				// old token.
				token := p.token()
				p.rest()
				synctest.Wait()
				w.must(w.m.Revalidate(w.Context(), b.holds()))

				query, batch := "?_cid="+p.cid, p.batch("2:with the old token")
				for _, a := range []answer{
					b.do("POST", query, batch, "Mirage-Link", token, "Content-Type", "text/event-stream"),
					b.do("POST", query, "with the old token", "Mirage-Link", token, "Content-Type", "text/plain"),
					b.do("GET", query+"&_wait=25", "", "Mirage-Link", token),
					b.do("DELETE", query, "", "Mirage-Link", token),
				} {
					if a.status != 401 || a.header.Get("Set-Cookie") != "" {
						t.Errorf("with the token of a link that was renewed: %d %s", a.status, a.body)
					}
				}
				if n := asked.Load(); n != 1 {
					t.Errorf("Validate was asked %d times before the client came back", n)
				}

				p.say("after")
				p.resume()
				time.Sleep(5 * time.Second)
				app.has(w, "before", "after")
				if n := asked.Load(); n != 2 || len(p.allHellos()) != 2 || !p.allHellos()[1].Resumed {
					t.Errorf("Validate was asked %d times; %s", n, p.story())
				}
			})
		})
	}
}

// I7: Revalidate also ends the links that are just beginning, because Validate's answer
// for them may be outdated. Every page is validated again, and stops if it is refused.
func TestI7PagesAtRevalidate(t *testing.T) {
	for _, late := range []time.Duration{0, 150 * time.Millisecond} {
		for _, slow := range []time.Duration{0, time.Second} {
			t.Run(fmt.Sprintf("answers after %v, %v to the transport", late, slow), func(t *testing.T) {
				var barred atomic.Bool
				s := (&shop{how: rotate, hook: -1, slow: slow}).setup()
				s.identity.Validate = func(*http.Request, string) (string, error) {
					refuse := barred.Load()
					time.Sleep(time.Second)
					if refuse {
						return "", errors.New("barred")
					}
					return "", nil
				}

				inWorld(t, s, func(w *world) {
					b := w.browser()
					b.pipe(takes(late))
					b.fetch("GET", "/")
					open, beginning := b.pages(pageWays), b.pages(pageWays)
					all := slices.Concat(open, beginning)
					defer closePages(all)

					for _, p := range open {
						p.load()
					}
					time.Sleep(10 * time.Second)
					for _, p := range beginning {
						time.Sleep(400 * time.Millisecond) // some of the hooks have answered by then, and some have not
						p.load()
					}

					time.Sleep(300 * time.Millisecond)
					barred.Store(true)
					w.must(w.m.Revalidate(w.Context(), b.holds()))
					time.Sleep(20 * time.Second)

					for _, p := range all {
						if p.end() != "403" {
							t.Errorf("%s; want it to be refused", p.story())
						}
					}
				})
			})
		}
	}
}

// I7: a frame on a WebSocket that does not know yet that its link was renewed, by another
// node, is answered 401, and nothing of it is handled.
func TestI7RenewedSocketTakesNothing(t *testing.T) {
	var app inbox
	memory := memory.New(memory.Options{})
	s := setup{session: session.Options{OnMessage: app.onMessage, Store: deaf{memory}}}
	inWorld(t, s, func(w *world) {
		other := session.New(session.Options{Store: memory})
		defer other.Shutdown(context.Background())
		tab := w.browser().tab()
		sock := tab.openSocket()
		sock.send("1:before")
		w.must(other.Revalidate(w.Context(), tab.hello.ID))
		w.must(sock.Write(w.Context(), ws.MessageText, []byte(tab.batch("2:after"))))
		synctest.Wait()
		text := sock.text()
		for _, want := range []string{`{"status":200,"accepted":1}`, `{"status":401,`} {
			if !strings.Contains(text, want) {
				t.Errorf("the frames are answered %q; want %s", text, want)
			}
		}
		app.has(w, "before")
	})
}

// deaf is a Store whose nodes do not hear of what others do.
type deaf struct{ store.Store }

// Open implements store.Store.
func (s deaf) Open(
	ctx context.Context, id string, a store.Asked, create bool, b store.Bounds,
) (l store.Log, created bool, err error) {
	if l, created, err = s.Store.Open(ctx, id, a, create, b); err != nil {
		return nil, false, err
	}
	return deafLog{l}, created, nil
}

type deafLog struct{ store.Log }

// Watch implements store.Log.
func (deafLog) Watch(func()) (stop func()) { return func() {} }
