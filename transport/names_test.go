package transport_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/cid"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// I17: a _cid is known only to its client. The names of clients that the application and
// other clients see do not reveal it, and by such a name the application reaches the
// page.
func TestI17Names(t *testing.T) {
	for _, way := range []string{"sse", "poll", websocket} {
		t.Run(way, func(t *testing.T) {
			var met journal // where somebody was met, and how he is called
			meet := func(where, name string) { met.add(where + " " + name) }
			var s setup
			s.session.OnAttach = func(_ context.Context, _ *session.Session, info session.ReaderInfo) {
				meet("OnAttach", info.Reader)
			}
			s.session.OnDetach = func(_ context.Context, _ *session.Session, info session.ReaderInfo) {
				meet("OnDetach", info.Reader)
			}
			s.session.OnGap = func(_ context.Context, _ *session.Session, info session.ReaderInfo, _ store.Lost) {
				meet("OnGap", info.Reader)
			}
			s.session.OnMessage = func(ctx context.Context, from *session.Session, in session.Incoming) error {
				meet("OnMessage", in.Writer)
				_, err := from.SendTo(ctx, in.Writer, store.Text("to you"))
				return err
			}
			s.session.MaxMessages, s.session.Overflow = 10, store.OverflowDropOldest
			s.session.OnClose = func(c session.Closed) { meet("OnClose", c.Reader) }

			inWorld(t, s, func(w *world) {
				b := w.browser()
				b.pipe(takes(0))
				b.do("GET", "?_wait=0", "")
				pages := b.pages([]string{way, way})
				defer closePages(pages)
				for _, p := range pages {
					p.load()
					time.Sleep(5 * time.Second)
				}

				speaker, other := pages[0], pages[1]
				other.rest()
				synctest.Wait()
				for i := range 20 { // while the other one is away, so that it loses some
					w.send(b.holds(), fmt.Sprint(i))
					time.Sleep(time.Second)
				}

				other.resume()
				time.Sleep(5 * time.Second)
				speaker.say("hello")
				time.Sleep(5 * time.Second)
				closePages(pages)

				if got := speaker.got; len(got) == 0 || got[len(got)-1] != "to you" {
					t.Errorf("the page that spoke has %q", got)
				}
				if slices.Contains(other.got, "to you") {
					t.Errorf("the page that did not speak has %q", other.got)
				}

				time.Sleep(2 * time.Minute)
				for _, p := range pages {
					name := cid.Name(p.cid)
					want := []string{"OnAttach", "OnDetach", "OnClose"}
					if p == speaker {
						want = append(want, "OnMessage")
					} else {
						want = append(want, "OnGap")
					}
					for _, where := range want {
						if !strings.Contains(met.String(), where+" "+name) {
							t.Errorf("%q is not among %s", where+" "+name, &met)
						}
					}
					if strings.Contains(met.String(), p.cid) || p.allHellos()[0].Reader != name {
						t.Errorf("%s is called %q by hello, and elsewhere %s", p.cid, p.allHellos()[0].Reader, &met)
					}
				}
			})
		})
	}
}
