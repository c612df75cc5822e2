package transport_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
)

// T12: the end of a topic is told after its last message, with 410. A member that is
// behind gets the rest before that. The name begins anew.
func TestT12End(t *testing.T) {
	eachWay(t, func(w *world, way string) {
		topic := w.m.Topic("room:7")
		here, behind := w.browser().guest(way), w.browser().guest(way)
		plain, plainBehind := w.browser().plainGuest(way, "start", "room:7"), w.browser().plainGuest(way, "start",
			"room:7")
		lines := map[*guest]*line{}
		w.publish("room:7", "a")
		for _, g := range []*guest{here, behind, plain, plainBehind} {
			if g.cid != "" {
				g.wantsTopic("room:7", "start")
			}
			lines[g] = g.open()
			g.saw("room:7 a @1", "room:7 joined @1")
		}
		member := w.open(here.hello.ID)
		w.must(member.Join(w.Context(), "room:7", session.FromStart))
		here.skip()
		lines[behind].close()
		lines[plainBehind].close()

		w.publish("room:7", "b", "last")
		w.must(topic.End(w.Context()))
		for _, g := range []*guest{here, plain} {
			g.saw("room:7 b @2", "room:7 last @3", "room:7 left 410")
			if len(g.at) > 0 {
				w.Errorf("it still has %q", g.at)
			}
		}

		// The name begins anew, and who was behind gets what it missed before.
		w.publish("room:7", "new")
		here.saw()
		behind.open()
		plainBehind.open()
		for _, g := range []*guest{behind, plainBehind} {
			synctest.Wait()
			g.mu.Lock()
			if got := strings.Join(g.told, "; "); !strings.HasPrefix(got, "room:7 b @2; room:7 last @3; ") ||
				!strings.HasSuffix(got, "; room:7 left 410; room:7 new @1; room:7 joined @1") {
				w.Errorf("%s saw %q", g.way, g.told)
			}
			g.told = nil
			g.mu.Unlock()
		}
		fresh := w.browser().guest(way)
		fresh.wantsTopic("room:7", "start")
		fresh.open()
		fresh.saw("room:7 new @1", "room:7 joined @1")
		here.join("room:7", "start")
		here.saw("room:7 new @1", "room:7 joined @1")

		// The membership of the session has ended, too.
		tab := here.b.guest(way)
		tab.open()
		tab.saw()
		w.must(topic.End(w.Context()))
		w.must(topic.End(w.Context()))              // again
		w.must(w.m.Topic("never").End(w.Context())) // what has not begun
		here.saw("room:7 left 410")
	})
}

// T12: a session that joins the next epoch before its links know of the end goes on
// there.
func TestT12JoinedAgain(t *testing.T) {
	eachWay(t, func(w *world, way string) {
		g := w.browser().guest(way)
		l := g.open()
		s := w.open(g.hello.ID)
		w.publish("room:7", "a")
		w.must(s.Join(w.Context(), "room:7", session.FromStart))
		g.saw("room:7 a @1", "room:7 joined @1")
		l.close()
		w.publish("room:7", "b")
		w.must(w.m.Topic("room:7").End(w.Context()))
		w.must(s.Join(w.Context(), "room:7", session.FromStart))
		w.publish("room:7", "new")
		g.open()
		g.saw("room:7 b @2", "room:7 joined @2", "room:7 left 410", "room:7 new @1", "room:7 joined @1")
	})
}

// T7: the positions of a plain client resume as long as the topic retains what follows,
// even after its session has expired.
func TestT7AfterTheSession(t *testing.T) {
	for _, way := range downWays {
		t.Run(way, func(t *testing.T) {
			over := make(chan store.Ended, 9)
			o := session.Options{
				OnJoin: allJoin, OnEnd: func(_ context.Context, e store.Ended) { over <- e },
				Topics: func(string) session.TopicOptions {
					return session.TopicOptions{Age: time.Hour,
						MaxMessages: 3}
				},
			}
			inWorld(t, setup{session: o}, func(w *world) {
				w.publish("room:7", "a")
				g := w.browser().plainGuest(way, "start", "room:7", "room:8")
				l := g.open()
				w.send(g.hello.ID, "own")
				w.publish("room:8", "x")
				synctest.Wait()
				l.close()
				w.publish("room:7", "b", "c")
				time.Sleep(10 * time.Minute)
				if e := <-over; e.ID != g.hello.ID {
					t.Errorf("the session ended as %+v", e)
				}
				g.skip()

				l = g.open()
				if g.hello.Resumed || g.hello.Reason != "expired" {
					t.Errorf("hello: %+v", g.hello)
				}
				synctest.Wait()
				if got := g.in("room:7").got; !slices.Equal(got, []string{"a", "b", "c"}) || len(g.in(
					"room:7").gaps) > 0 {
					t.Errorf("room:7 has %q", got)
				}
				if got := g.in("room:8").got; !slices.Equal(got, []string{"x"}) {
					t.Errorf("room:8 has %q", got)
				}
				l.close()

				// What the topic does not retain is a gap.
				w.publish("room:7", "d", "e", "f", "g")
				time.Sleep(10 * time.Minute)
				g.skip()
				g.open()
				synctest.Wait()
				if got := g.in("room:7").got; !slices.Equal(got, []string{"a", "b", "c", "e", "f", "g"}) || len(g.in(
					"room:7").gaps) != 1 {
					t.Errorf("room:7 has %q, and the gaps %v", got, g.in("room:7").gaps)
				}
				g.mu.Lock()
				g.fine()
				g.mu.Unlock()
			})
		})
	}
}

// T1: what a topic retains leaves by its age, and is then a gap. Its epoch and its
// numbers outlive the last publish by its age, and as long as it has a member.
func TestT1Age(t *testing.T) {
	for _, way := range downWays {
		o := session.Options{
			OnJoin: allJoin,
			Topics: func(string) session.TopicOptions { return session.TopicOptions{Age: time.Hour} },
		}
		inWorld(t, setup{session: o}, func(w *world) {
			w.publish("room:7", "a")
			g := w.browser().guest(way)
			g.wantsTopic("room:7", "start")
			l := g.keep(way)
			g.saw("room:7 a @1", "room:7 joined @1")
			for range 30 { // a member, and no message
				time.Sleep(10 * time.Minute)
				g.ack()
			}
			g.skip()
			w.publish("room:7", "b")
			g.saw("room:7 b @2")
			l.close()
			w.publish("room:7", "c")
			time.Sleep(30 * time.Minute)
			w.publish("room:7", "d")
			time.Sleep(40 * time.Minute)
			g.open()
			g.saw("room:7 gap 3-3 trimmed @3", "room:7 d @4", "room:7 joined @4 lost 3-3 trimmed")
		})
	}
}

// watched is a Store that counts who watches its topics.
type watched struct {
	*memory.Store
	watches atomic.Int64
}

func (s *watched) Topic(name string, b store.TopicBounds) store.Topic {
	return watchedTopic{s.Store.Topic(name, b), s}
}

type watchedTopic struct {
	store.Topic
	s *watched
}

func (t watchedTopic) Watch(wake func(store.TopicNews)) (stop func()) {
	t.s.watches.Add(1)
	unwatch := t.Topic.Watch(wake)
	return func() {
		t.s.watches.Add(-1)
		unwatch()
	}
}

// T2, L4: links that are gone leave nothing behind: no topic is watched, no goroutine
// runs, and the Budget is free again.
func TestT2NothingStays(t *testing.T) {
	for _, way := range downWays {
		t.Run(way, func(t *testing.T) {
			kept := &watched{Store: memory.New(memory.Options{Budget: 512 << 10})}
			o := session.Options{
				Store: kept, OnJoin: allJoin,
				Topics: func(string) session.TopicOptions { return session.TopicOptions{Presence: true} },
			}
			inWorld(t, setup{session: o}, func(w *world) {
				before := 0
				for round := range 20 {
					var lines []*line
					var guests []*guest
					for i := range 5 {
						g := w.browser().guest(way)
						if i == 4 {
							g = w.browser().plainGuest(way, "start", fmt.Sprint("own:", round), "room:7")
						}
						g.wantsTopic("room:7", "start", `"info"`)
						g.wantsTopic(fmt.Sprint("own:", round), "start", `"info"`)
						lines = append(lines, g.open())
						guests = append(guests, g)
					}
					w.must(w.open(guests[0].hello.ID).Join(w.Context(), "~session", session.FromStart))
					w.publish("room:7", strings.Repeat("x", 10<<10))
					w.publish(fmt.Sprint("own:", round), strings.Repeat("x", 10<<10))
					synctest.Wait()
					if n := kept.watches.Load(); n != 3 {
						t.Errorf("%d topics are watched", n)
					}
					for i, g := range guests {
						if r := g.in("room:7"); r.joins != 1 || len(r.got) == 0 || r.left != 0 {
							t.Fatalf("round %d, guest %d: %+v", round, i, r)
						}
						if round%2 == 0 {
							lines[i].close()
						} else if g.cid != "" {
							g.b.do("DELETE", "?_cid="+g.cid, "", "Mirage-Link", g.hello.Link)
							lines[i].close()
						} else {
							lines[i].close()
						}
					}
					time.Sleep(5 * time.Minute)
					synctest.Wait()
					if n := kept.watches.Load(); n != 0 {
						t.Errorf("round %d: %d topics are watched, and there is no link", round, n)
					}
					if n := runtime.NumGoroutine(); round == 0 {
						before = n
					} else if n > before+5 { // those of other tests end
						t.Errorf("round %d: %d goroutines, at first %d", round, n, before)
					}
				}
			})
		})
	}
}

// T2, L1: Shutdown ends links that read topics, as it ends others: their clients are told
// to come back, and nobody is told that they left.
func TestT2Shutdown(t *testing.T) {
	for _, way := range downWays {
		t.Run(way, func(t *testing.T) {
			kept := &watched{Store: memory.New(memory.Options{})}
			o := session.Options{
				Store: kept,
				OnJoin: func(ctx context.Context, _ *session.Session, j *session.Join) error {
					if j.Topic == "slow" {
						<-ctx.Done()
					}
					return ctx.Err()
				},
				Topics: func(string) session.TopicOptions { return session.TopicOptions{Presence: true} },
			}
			inWorld(t, setup{session: o}, func(w *world) {
				var lines []*line
				var guests []*guest
				for i := range 4 {
					g := w.browser().guest(way)
					if i == 3 {
						g = w.browser().plainGuest(way, "start", "room:7")
					}
					g.wantsTopic("room:7", "start")
					lines = append(lines, g.open())
					guests = append(guests, g)
				}
				guests[0].ask(frame.JoinTopic{Topic: "slow"})
				w.publish("room:7", "last")
				synctest.Wait()
				for _, g := range guests {
					g.skip()
				}

				done := make(chan error, 1)
				go func() { done <- w.m.Shutdown(w.Context()) }()
				for i, l := range lines {
					if way == "poll" && guests[i].cid == "" { // it is told to come back, for ever
						time.AfterFunc(time.Second, l.cut)
					}
					select {
					case <-l.done:
					case <-time.After(time.Minute):
						t.Fatal("a link stays")
					}
					if g := guests[i]; g.cid != "" && (len(g.told) == 0 || g.told[0] != "drain") {
						t.Errorf("a client was told %q", g.told)
					}
				}
				select {
				case err := <-done:
					w.must(err)
				case <-time.After(time.Minute):
					t.Fatal("Shutdown waits")
				}
				if n := kept.watches.Load(); n > 1 {
					t.Errorf("%d topics are watched", n)
				}
				if _, err := w.m.Topic("room:7").Publish(w.Context(), store.Text("x")); err == nil {
					t.Error("Publish after Shutdown")
				}
			})
		})
	}
}
