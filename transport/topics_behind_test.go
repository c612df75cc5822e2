package transport_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// gaps notes what OnGap is told.
type gaps struct {
	mu  sync.Mutex
	all []string
}

func (g *gaps) onGap(_ context.Context, _ *session.Session, r session.ReaderInfo, lost store.Lost) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all = append(g.all, fmt.Sprintf("%s %s %d-%d", r.Transport, lost.Topic, lost.From, lost.To))
}

func (g *gaps) String() string {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.all, ",")
}

// T5: what has left a topic before a reader got it is told before the next message, to
// the client and to the application. The session's log has no gap for it.
func TestT5Gap(t *testing.T) {
	for _, way := range downWays {
		for _, plain := range []bool{false, true} {
			t.Run(fmt.Sprint(way, plain), func(t *testing.T) {
				var told gaps
				o := session.Options{
					OnJoin: allJoin, OnGap: told.onGap,
					Topics: func(string) session.TopicOptions { return session.TopicOptions{MaxMessages: 3} },
				}
				inWorld(t, setup{session: o}, func(w *world) {
					w.publish("room:7", "a", "b")
					g := w.browser().guest(way)
					g.wantsTopic("room:7", "start")
					if plain {
						g = w.browser().plainGuest(way, "start", "room:7")
					}
					l := g.open()
					g.saw("room:7 a @1", "room:7 b @2", "room:7 joined @2")
					l.close()

					w.publish("room:7", "c", "d", "e", "f", "g")
					w.send(g.hello.ID, "own")
					g.open()
					g.saw2(0, "room:7 gap 3-4 trimmed @4", "room:7 e @5", "room:7 f @6", "room:7 g @7",
						"room:7 joined @7 lost 3-4 trimmed", "session own")
					if got, want := told.String(), way+" room:7 3-4"; got != want {
						t.Errorf("OnGap was told %q, want %q", got, want)
					}

					// A join from the start, or from now, has lost nothing.
					fresh := w.browser().guest(way)
					fresh.wantsTopic("room:7", "start")
					fresh.open()
					fresh.saw("room:7 e @5", "room:7 f @6", "room:7 g @7", "room:7 joined @7")
				})
			})
		}
	}
}

// T3, T5: a tab that reads nothing delays nobody: not Publish, not the other tabs of its
// session, not other members. When it reads again, it goes on, and is told what it
// missed.
func TestT5FrozenTab(t *testing.T) {
	const most, size, all = 10, 32 << 10, 40
	for _, way := range []string{"sse", websocket} {
		for _, long := range []bool{false, true} {
			t.Run(fmt.Sprint(way, long), func(t *testing.T) {
				var told gaps
				o := session.Options{
					OnJoin: allJoin, OnGap: told.onGap,
					Topics: func(string) session.TopicOptions {
						return session.TopicOptions{MaxMessages: most, MaxBytes: 1 << 20}
					},
				}
				inWorld(t, setup{session: o}, func(w *world) {
					b := w.browser()
					frozen, tab, other, polls := b.guest(way), b.guest(way), w.browser().guest(way),
						w.browser().guest("poll")
					guests := []*guest{frozen, tab, other, polls}
					for _, g := range guests {
						g.wantsTopic("room:7", "now")
						g.wantsTopic("room:8", "now")
						g.keep(g.way)
						synctest.Wait()
						g.skip()
					}

					thaw := frozen.freeze()
					defer thaw()
					start := time.Now()
					for i := range all {
						w.publish("room:7", fmt.Sprint(i, strings.Repeat(" ", size)))
						synctest.Wait()
					}
					w.publish("room:8", "small")
					w.send(tab.hello.ID, "own")
					synctest.Wait()
					if took := time.Since(start); took > 0 {
						t.Errorf("publishing took %v", took)
					}
					for _, g := range guests[1:] {
						if r := g.in("room:7"); len(r.got) != all || len(r.gaps) > 0 || len(g.in("room:8").got) != 1 {
							t.Errorf("%s has %d messages and the gaps %v", g.way, len(r.got), r.gaps)
						}
					}
					if got := frozen.in("room:7").got; len(got) > 10 {
						t.Fatalf("the frozen tab has %d messages", len(got))
					}

					if long { // the server gives its link up
						for range 6 {
							time.Sleep(5 * time.Second)
							for _, g := range guests[1:] {
								g.ack()
							}
						}
					}
					thaw()
					time.Sleep(time.Second)
					synctest.Wait()
					r := frozen.in("room:7")
					if len(r.gaps) != 1 {
						t.Fatalf("the gaps are %v", r.gaps)
					}
					lost := int(r.gaps[0].To + 1 - r.gaps[0].From)
					if len(r.got)+lost != all || lost > all-most || frozen.hellos > 1 != long {
						t.Errorf("it has %d messages, and lost %v; %d links", len(r.got), r.gaps, frozen.hellos)
					}
					for i, text := range slices.Backward(r.got) { // the last ones, in order
						if n := all - len(r.got) + i; i > len(r.got)-most && !strings.HasPrefix(text, fmt.Sprint(n)) {
							t.Errorf("message %d begins with %.5q", n, text)
						}
					}
					if want := fmt.Sprintf("%s room:7 %d-%d", way, r.gaps[0].From,
						r.gaps[0].To); told.String() != want {
						t.Errorf("OnGap was told %q, want %q", &told, want)
					}
					if !slices.Equal(frozen.got, []string{"own"}) || frozen.twice > 0 || len(frozen.in(
						"room:8").got) != 1 {
						t.Errorf("the session has %q, room:8 %q", frozen.got, frozen.in("room:8").got)
					}
				})
			})
		}
	}
}

// T5, D4: a client that does not acknowledge the messages of topics within AckTimeout
// loses its link, and nothing else. One that acknowledges them, by whatever request,
// keeps it, as do polls and plain clients.
func TestT5AckTimeout(t *testing.T) {
	for _, timeout := range []time.Duration{5 * time.Second, 20 * time.Second} {
		for _, way := range downWays {
			t.Run(fmt.Sprint(way, timeout), func(t *testing.T) {
				inWorld(t, setup{session: session.Options{OnJoin: allJoin, AckTimeout: timeout}}, func(w *world) {
					silent, acks := w.browser().guest(way), w.browser().guest(way)
					plain := w.browser().plainGuest(way, "now", "room:7")
					var lines []*line
					for _, g := range []*guest{silent, acks, plain} {
						g.wantsTopic("room:7", "now")
						lines = append(lines, g.open())
					}
					w.publish("room:7", "a")
					synctest.Wait()
					start := time.Now()
					ended := func(l *line) bool {
						synctest.Wait()
						select {
						case <-l.done:
							return true
						default:
							return false
						}
					}

					time.Sleep(timeout - time.Second)
					if ended(lines[0]) {
						t.Errorf("the link ended after %v", time.Since(start))
					}
					acks.ack()
					time.Sleep(3 * time.Second)
					if ended(lines[0]) != (way != "poll") {
						t.Errorf("after %v, the link of a client that acknowledged nothing has ended: %t",
							time.Since(start), ended(lines[0]))
					}
					for range 6 {
						w.publish("room:7", "b")
						time.Sleep(timeout - time.Second)
						acks.ack()
						time.Sleep(time.Second)
					}
					if ended(lines[1]) || ended(lines[2]) {
						t.Errorf("a link ended: of the client that acknowledges %t, of the plain one %t",
							ended(lines[1]), ended(lines[2]))
					}

					lines[0].close()
					silent.open()
					synctest.Wait()
					if got := strings.Join(silent.in("room:7").got, " "); got != "a b b b b b b" || len(silent.in(
						"room:7").gaps) > 0 {
						t.Errorf("after that it has %q", got)
					}
				})
			})
		}
	}
}

// T2, T5: what one tab presents of a topic that has begun anew does not undo what another
// one has acknowledged for the session.
func TestT5StaleTab(t *testing.T) {
	eachWay(t, func(w *world, way string) {
		b := w.browser()
		stale, tab := b.guest(way), b.guest(way)
		l := stale.open()
		tab.open()
		w.must(w.open(tab.hello.ID).Join(w.Context(), "~all", session.FromStart))
		synctest.Wait()
		w.publish("~all", "old")
		stale.saw("~all joined @0", "~all old @1")
		l.close()
		at := stale.at

		w.must(w.m.Topic("~all").End(w.Context()))
		synctest.Wait()
		w.must(w.open(tab.hello.ID).Join(w.Context(), "~all", session.FromStart))
		w.publish("~all", "new", "newer")
		time.Sleep(2 * time.Second) // a client rests before it polls again, if there was nothing
		synctest.Wait()
		tab.skip()
		tab.ack()

		stale.at = at
		stale.open().close()
		fresh := b.guest(way)
		fresh.open()
		fresh.saw("~all joined @2")
	})
}

// T6: a client that has left a topic, and joins it from the start before its link could
// do anything, gets it from the start.
func TestT6LeaveAndJoinWhileFrozen(t *testing.T) {
	for _, way := range []string{"sse", websocket} {
		t.Run(way, func(t *testing.T) {
			inWorld(t, setup{session: session.Options{OnJoin: allJoin}}, func(w *world) {
				w.publish("room:7", "a")
				g := w.browser().guest(way)
				g.wantsTopic("room:7", "now")
				g.wantsTopic("noise", "now")
				g.open()
				g.skip()
				thaw := g.freeze()
				defer thaw()
				for range 10 {
					w.publish("noise", strings.Repeat(" ", 32<<10))
					synctest.Wait()
				}

				g.mu.Lock()
				socket := g.socket
				g.socket, g.wants = nil, nil // by POST, because nothing reads the answers to frames
				g.mu.Unlock()
				g.up(frame.AppendLeave(nil, &frame.Leave{Topics: []string{"room:7"}}))
				synctest.Wait()
				g.up(frame.AppendJoin(nil, &frame.Join{Topics: []frame.JoinTopic{{Topic: "room:7", From: "start"}}}))
				synctest.Wait()
				g.mu.Lock()
				g.socket = socket
				g.mu.Unlock()
				thaw()
				time.Sleep(time.Second)
				synctest.Wait()
				if got := g.in("room:7").got; !slices.Equal(got, []string{"a"}) {
					t.Errorf("it has %q", got)
				}
			})
		})
	}
}
