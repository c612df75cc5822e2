package transport_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// D6, I11: Finish and RevokeWith deliver what is in the log before they end it: to pages
// of every kind, and to those that are just reconnecting. They do not wait for clients
// that do not come back.
func TestD6LastWord(t *testing.T) {
	for _, way := range pageWays {
		for _, revoke := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/revoke %t", way, revoke), func(t *testing.T) {
				var over store.Ended
				o := session.Options{OnEnd: func(_ context.Context, e store.Ended) { over = e }}
				inWorld(t, setup{session: o}, func(w *world) {
					b := w.browser()
					pages := b.pages([]string{way, way})
					defer closePages(pages)
					here, back := pages[0], pages[1]
					here.load()
					time.Sleep(time.Second)
					back.load()
					time.Sleep(time.Second)
					id := here.id()
					back.rest()
					if way == "poll" {
						w.send(id, "0") // which its poll brings
					}
					time.Sleep(time.Second)

					var want []string
					for i := range 50 {
						want = append(want, fmt.Sprint("message ", i))
					}
					w.send(id, want...)
					time.AfterFunc(500*time.Millisecond, back.resume)
					start := time.Now()
					if revoke {
						want = append(want, "the last one")
						w.must(w.m.RevokeWith(w.Context(), id, store.Text("the last one"), 0))
					} else {
						w.must(w.m.Finish(w.Context(), id, 0))
					}
					took := time.Since(start)
					time.Sleep(2 * time.Second)
					synctest.Wait()

					if took > 3*time.Second {
						t.Errorf("it took %v", took)
					}
					for _, p := range pages {
						got := p.texts()
						if way == eventSource && p == back { // a plain one, which is new each time it comes
							continue
						}
						if len(got) < len(want) || !slices.Equal(got[len(got)-len(want):], want) {
							t.Errorf("%s: got %q", p.story(), got)
						}
						if revoke && !strings.Contains(p.end(), "410") {
							t.Errorf("%s: told %q", p.story(), p.end())
						}
					}
					if left := len(over.Messages); left > 0 && way != eventSource { // which acknowledges nothing
						t.Errorf("OnEnd has %d messages", left)
					}
					if _, err := w.m.Send(w.Context(), id, store.Text("x")); revoke && err == nil {
						t.Error("the session is there")
					}
				})
			})
		}
	}
}

// D6: a client that does not come back delays the end for within at most, and what it did
// not get is in OnEnd.
func TestD6LastWordInTime(t *testing.T) {
	for _, revoke := range []bool{false, true} {
		var over store.Ended
		o := session.Options{OnEnd: func(_ context.Context, e store.Ended) { over = e }}
		inWorld(t, setup{session: o}, func(w *world) {
			b := w.browser()
			p := b.page("poll")
			p.load()
			time.Sleep(time.Second)
			p.close()

			id := p.id()
			w.send(id, "1")
			start := time.Now()
			if revoke {
				w.must(w.m.RevokeWith(w.Context(), id, store.Text("2"), 2*time.Second))
			} else {
				w.send(id, "2")
				w.must(w.m.Finish(w.Context(), id, 2*time.Second))
			}

			if took := time.Since(start); took != 2*time.Second {
				t.Errorf("it took %v", took)
			}
			if n := len(over.Messages); n != 2 {
				t.Errorf("OnEnd has %d messages", n)
			}
		})
	}
}

// texts is what the page got.
func (p *page) texts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

// D6: a handler has its session's last word delivered, on a goroutine of its own.
func TestD6LastWordOfAHandler(t *testing.T) {
	for _, way := range pageWays {
		t.Run(way, func(t *testing.T) {
			var m *session.Manager
			var took chan time.Duration
			o := session.Options{OnMessage: func(_ context.Context, s *session.Session, in session.Incoming) error {
				go func() {
					start := time.Now()
					last := store.Text("bye, " + string(in.Data))
					if err := m.RevokeWith(context.Background(), s.ID(), last, 0); err != nil {
						t.Error(err)
					}
					took <- time.Since(start)
				}()
				return nil
			}}
			inWorld(t, setup{session: o}, func(w *world) {
				m, took = w.m, make(chan time.Duration, 1)
				p := w.browser().page(way)
				defer p.close()
				p.load()
				time.Sleep(time.Second)
				p.say("me")

				if d := <-took; d > 2*time.Second {
					t.Errorf("it took %v", d)
				}
				time.Sleep(2 * time.Second)
				if got := p.texts(); len(got) != 1 || !strings.HasPrefix(got[0], "bye, ") ||
					!strings.Contains(p.end(), "410") {
					t.Errorf("%s: got %q, told %q", p.story(), got, p.end())
				}
			})
		})
	}
}
