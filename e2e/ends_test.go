package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
	"github.com/mirage-go/mirage/transport"
	"github.com/mirage-go/mirage/transport/poll"
)

// When a client ends or loses messages, the application gets one clear event with the
// reason and, if something was lost, the range. D3, I5, I11.
func TestClientTold(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	for _, row := range []struct {
		name  string
		setup func() setup
		run   func(*testing.T, *site, *tab) (lost runs) // the numbers that did not come down
		want  string                                    // of the events after the first hello
	}{
		{
			name: "refused",
			setup: func() setup {
				return setup{identity: middleware.Options{Generate: func(*http.Request) (string, error) {
					return "", &middleware.Error{Status: http.StatusForbidden, Reason: "members only"}
				}}}
			},
			want: "close 4403 members only",
		},
		{
			name: "refused later",
			setup: func() setup {
				var known atomic.Bool // the first link comes without an id
				validate := func(*http.Request, string) (string, error) {
					if known.Load() {
						return "", &middleware.Error{Status: http.StatusForbidden, Reason: "not any more"}
					}
					return "", nil
				}
				attached := func(context.Context, *session.Session, session.ReaderInfo) { known.Store(true) }
				return setup{
					identity: middleware.Options{Validate: validate},
					session:  session.Options{OnAttach: attached},
				}
			},
			run: func(t *testing.T, s *site, b *tab) runs {
				s.manager().Revalidate(t.Context(), s.id())
				return nil
			},
			want: "mirage new; close 4403 not any more",
		},
		{
			name: "hook too slow",
			setup: func() setup {
				var calls atomic.Int32
				generate := func(r *http.Request) (string, error) {
					if calls.Add(1) == 1 {
						<-r.Context().Done()
						return "", r.Context().Err()
					}
					return "visitor", nil
				}
				return setup{identity: middleware.Options{Timeout: 200 * time.Millisecond, Generate: generate}}
			},
			run:  func(t *testing.T, s *site, b *tab) runs { return nil },
			want: "retry connect 503 failed to generate the id in a timely manner; mirage new",
		},
		{
			name: "revoked",
			run: func(t *testing.T, s *site, b *tab) runs {
				if err := s.manager().Revoke(t.Context(), s.id()); err != nil {
					t.Error(err)
				}
				return nil
			},
			want: "mirage new; close 4410 the id was revoked",
		},
		{
			// A long-poll client that has no poll open at that moment is not told. It
			// comes back to a new session.
			name: "ended",
			run: func(t *testing.T, s *site, b *tab) runs {
				if get[string](b, `client.transport`) == "poll" {
					s.until("a poll for what follows", func() bool { return s.polled("-10") })
				}
				if err := s.manager().End(t.Context(), s.id()); err != nil {
					t.Error(err)
				}
				return nil
			},
			want: "mirage new; close 4410 the session was ended",
		},
		{
			name:  "expired",
			setup: func() setup { return setup{session: session.Options{Retention: 500 * time.Millisecond}} },
			run: func(t *testing.T, s *site, b *tab) runs {
				b.do(`client.disconnect()`)
				s.until("no link", func() bool { return len(s.links.names()) == 0 })
				s.sendAll(5)
				s.until("the session's end", s.over)
				b.do(`client.connect()`)
				return runs{{11, 15}}
			},
			want: "mirage new; mirage expired; gap 11-null expired",
		},
		{
			name: "restarted",
			run: func(t *testing.T, s *site, b *tab) runs {
				b.do(`client.disconnect()`)
				s.until("no link", func() bool { return len(s.links.names()) == 0 })
				s.sendAll(5)
				s.restart(memory.New(memory.Options{}), 0)
				b.do(`client.connect()`)
				return runs{{11, 15}}
			},
			want: "mirage new; mirage restarted; gap 11-null restarted",
		},
		{
			name: "restarted under the link",
			run: func(t *testing.T, s *site, b *tab) runs {
				s.restart(memory.New(memory.Options{}), 100*time.Millisecond)
				return nil
			},
			want: "mirage new; mirage restarted; gap 11-null restarted",
		},
		{
			name: "too long away",
			setup: func() setup {
				return setup{session: session.Options{MaxMessages: 20, Overflow: store.OverflowDropOldest}}
			},
			run: func(t *testing.T, s *site, b *tab) runs {
				b.do(`client.disconnect()`)
				s.until("no link", func() bool { return len(s.links.names()) == 0 })
				s.sendAll(100)
				b.do(`client.connect()`)
				return runs{{11, 90}}
			},
			want: "mirage new; mirage trimmed; gap 11-90 trimmed",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			each(t, func(t *testing.T, transport string) {
				var o setup
				if row.setup != nil {
					o = row.setup()
				}
				s := startSite(t, o)
				b := openTab(t, browser, row.name+" on "+transport, s.address("", only(transport)))

				var lost runs
				if row.run != nil {
					b.opened()
					s.sendAll(10)
					b.wait("the first messages", `record.got.at(-1)?.[1] === 10`)
					lost = row.run(t, s, b)
				}

				if strings.Contains(row.want, "close") {
					b.wait("closed", `client.state === 'closed'`)
				} else {
					hellos := strings.Count(row.want, "mirage ")
					b.wait("open", fmt.Sprintf(`client.state === 'open'
						&& record.events.filter(e => e.startsWith('mirage ')).length === %d`, hellos))
					s.sendAll(10)
					b.do(`for (let i = 0; i < 5; i++) { client.send(':' + ++record.sent['']) }`)
					b.wait("all messages", fmt.Sprintf(`record.got.at(-1)?.[1] === %d
						&& client.bufferedAmount === 0`, s.down))

					want := upTo(s.down)
					if lost != nil {
						want = runs{{1, lost[0][0] - 1}, {lost[0][1] + 1, s.down}}
					}
					s.equal(b, want)
				}

				if got := strings.Join(b.clear(), "; "); got != row.want {
					t.Errorf("the application was told %q, want %q", got, row.want)
				}
				if ended := strings.Contains(row.want, "close"); ended {
					s.until("no link", func() bool { return len(s.links.names()) == 0 })
				} else if ids := slices.Compact(slices.Clone(s.opened)); len(ids) != 1 {
					t.Errorf("the sessions are of %q", ids)
				}
			})
		})
	}
}

// clear returns the application's events, except those about links alone.
func (b *tab) clear() []string {
	return slices.DeleteFunc(b.events(), func(e string) bool {
		kind, _, _ := strings.Cut(e, " ")
		return kind == "load" || kind == "open" || kind == "state" ||
			strings.HasPrefix(e, "retry connect  ") || strings.HasPrefix(e, "retry connect 401 ")
	})
}

func (s *site) sendAll(n int) {
	for range n {
		s.send()
	}
}

// over reports whether a session has ended.
func (s *site) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ended) > 0
}

// D7: a page that is left has no link any more, on each transport. The link of a poll
// does not wait for the next poll, even if the page had more to send than fits into a
// request that outlives its page.
func TestD7ClientLeaves(t *testing.T) {
	browser := startBrowser(t)
	each(t, func(t *testing.T, way string) {
		for name, last := range map[string]string{
			"silently": ``,
			"speaking": `client.send(('x'.repeat(64) + '\n').repeat(990));`,
		} {
			t.Run(name, func(t *testing.T) {
				asByDefault := poll.Options{Pause: 30 * time.Second}
				s := startSite(t, setup{transport: transport.Options{Poll: asByDefault}})
				b := openTab(t, browser, "leaves "+name+" on "+way, s.address("", only(way)))
				b.opened()
				s.until("a link", func() bool { return len(s.links.names()) == 1 })
				b.do(last + `location = 'about:blank'`)
				began := time.Now()
				s.until("no link", func() bool { return len(s.links.names()) == 0 })
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("the link lived on for %v", took)
				}
			})
		}
	})
}
