package transport_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// eachWay runs f on every transport, with a server that lets everybody join.
func eachWay(t *testing.T, f func(w *world, way string)) {
	for _, way := range downWays {
		t.Run(way, func(t *testing.T) {
			inWorld(t, setup{session: session.Options{OnJoin: allJoin}}, func(w *world) { f(w, way) })
		})
	}
}

// position is where a topic is now.
func (w *world) position(topic string) store.TopicPosition {
	w.Helper()
	at, err := w.m.Topic(topic).Position(w.Context())
	w.must(err)
	return at
}

// T4: the order of a join: growing messages whole and without id, what is retained,
// mirage-joined, what follows.
func TestT4JoinOrder(t *testing.T) {
	eachWay(t, func(w *world, way string) {
		w.publish("room:7", "a")
		grows := w.m.Topic("room:7").Stream(w.Context(), "answer", "m1")
		w.write(grows, "Hel")
		w.publish("room:7", "b")
		sealed := w.m.Topic("room:7").Stream(w.Context(), "answer", "m2")
		w.write(sealed, "com", "plete")
		w.must(sealed.Close())

		g := w.browser().guest(way)
		g.wantsTopic("room:7", "start")
		g.open()
		g.saw("room:7 answer/m1 0+Hel", "room:7 a @1", "room:7 b @3", "room:7 answer/m2 0+complete @6 done",
			"room:7 joined @6")
		w.write(grows, "lo")
		g.saw("room:7 answer/m1 3+lo @7")
		w.publish("room:7", "c")
		g.saw("room:7 c @8")
		w.must(grows.Close())
		g.saw("room:7 answer/m1 5+ @9 done")

		now := w.browser().guest(way)
		now.open()
		w.write(w.m.Topic("room:7").Stream(w.Context(), "answer", "m3"), "new")
		now.join("room:7", "")
		now.saw("room:7 answer/m3 0+new", "room:7 joined @10")
	})
}

// T4: a join begins at the start, with what comes next, or after a position.
func TestT4JoinFrom(t *testing.T) {
	eachWay(t, func(w *world, way string) {
		w.publish("room:7", "a")
		at := w.position("room:7")
		w.publish("room:7", "b")
		for _, tt := range []struct {
			from string
			want []string
		}{
			{"", []string{"room:7 joined @2"}},
			{"now", []string{"room:7 joined @2"}},
			{"start", []string{"room:7 a @1", "room:7 b @2", "room:7 joined @2"}},
			{at.String(), []string{"room:7 b @2", "room:7 joined @2"}},
			{w.position("doc:1").String(), []string{"room:7 left 400"}},
			{"yesterday", []string{"room:7 left 400"}},
			{"_room-7", []string{"room:7 left 400"}},
		} {
			g := w.browser().guest(way)
			g.open()
			g.join("room:7", tt.from)
			g.saw(tt.want...)
		}
	})
}

// T4: what a client presents wins over where its join begins, whether it joins by its
// query or by a block.
func TestT4ComponentWins(t *testing.T) {
	eachWay(t, func(w *world, way string) {
		w.publish("room:7", "a", "b")
		at := w.position("room:7").String()
		w.publish("room:7", "c")
		for _, from := range []string{"now", "start"} {
			own := w.browser().guest(way)
			own.at = []string{at}
			own.wantsTopic("room:7", from)
			plain := w.browser().plainGuest(way, from, "room:7", "doc:1")
			plain.at = []string{at}
			for _, g := range []*guest{own, plain} {
				g.open()
				synctest.Wait()
				g.told = without(g.told, "doc:1 joined @0")
				g.saw("room:7 c @3", "room:7 joined @3")
			}
		}
	})
}

func without(all []string, one string) (rest []string) {
	for _, s := range all {
		if s != one {
			rest = append(rest, s)
		}
	}
	return rest
}

// T4: a position of another epoch is told as lost, and the client begins at the start.
func TestT4AnotherEpoch(t *testing.T) {
	eachWay(t, func(w *world, way string) {
		w.publish("room:7", "a", "b")
		other := w.position("room:7")
		other.Epoch, other.Seq = other.Epoch%7+1, 7
		want := []string{
			"room:7 gap 8-null restarted @0", "room:7 a @1", "room:7 b @2", "room:7 joined @2 lost 8-null restarted",
		}

		own := w.browser().guest(way)
		own.at = []string{other.String()}
		own.wantsTopic("room:7", "now")
		own.open()
		own.saw(want...)

		asks := w.browser().guest(way)
		asks.open()
		asks.join("room:7", other.String())
		asks.saw(want...)

		plain := w.browser().plainGuest(way, "now", "room:7")
		plain.at = []string{other.String()}
		plain.open()
		plain.saw(want...)
	})
}

// T4: hello has every position in a topic that was presented, whether the client joins
// the topic or not. What is no position is left out. More than 2 KiB are no positions at
// all.
func TestT4HelloEchoes(t *testing.T) {
	eachWay(t, func(w *world, way string) {
		w.publish("room:7", "a")
		real := w.position("room:7").String()
		var many []string
		for i := range session.MaxTopics {
			p := store.TopicPosition{Topic: store.TopicHash(fmt.Sprint("topic", i)), Epoch: 1e6, Seq: uint64(i) * 1e12}
			many = append(many, p.String())
		}
		b := w.browser()
		first := b.guest(way)
		first.open().close()
		own := first.own

		for _, tt := range []struct {
			name, presented, want, reason string
		}{
			{"one", own + real, own + real, ""},
			{"of topics alone", real, own + real, "new"},
			{"64", own + strings.Join(many, ""), own + strings.Join(many, ""), ""},
			{"malformed", own + "_x-1" + real + "_" + real + "_abcdefghij-" + "_0000000000-5", own + real + real, ""},
			{"upper case", own + strings.ToUpper(real) + real, own + real, ""},
			{"malformed session", "x!" + real, own + real, "malformed"},
			{"long session", strings.Repeat("9", 65) + real, own, "malformed"},
			{"too long", own + strings.Repeat(real, 2048/len(real)+1), own, "malformed"},
		} {
			g := b.guest(way)
			g.own = tt.presented
			var id string
			g.note = func(e frame.Event) {
				if e.Name == frame.EventHello {
					id = e.ID
				}
			}
			g.open().close()
			if id != tt.want || g.hello.Reason != tt.reason {
				w.Errorf("%s: presented %q, hello has %q (%s)\nwant %q (%s)",
					tt.name, tt.presented, id, g.hello.Reason, tt.want, tt.reason)
			}
		}
	})
}

// T4: a plain client with 16 topics has all its positions in every id, in at most 512
// bytes. With them, it goes on where it was in each.
func TestT4PlainVector(t *testing.T) {
	for _, way := range downWays {
		t.Run(way, func(t *testing.T) {
			inWorld(t, setup{session: session.Options{OnJoin: allJoin}}, func(w *world) {
				var topics []string
				for i := range session.MaxTopicsPlain {
					topics = append(topics, fmt.Sprint("topic:", i))
					w.publish(topics[i], "first")
				}
				g := w.browser().plainGuest(way, "start", topics...)
				l := g.open()
				w.send(g.hello.ID, "own")
				for _, topic := range topics {
					w.publish(topic, "second")
				}
				synctest.Wait()
				if own, at := store.SplitPositions(g.positions()); len(at) != len(topics) || own != g.own {
					t.Errorf("the positions are %q", g.positions())
				}

				l.close()
				w.send(g.hello.ID, "away")
				for _, topic := range topics {
					w.publish(topic, "third")
				}
				g.open()
				synctest.Wait()
				for _, topic := range topics {
					if got := strings.Join(g.in(topic).got, " "); got != "first second third" {
						t.Errorf("%s has %q", topic, got)
					}
				}
				if strings.Join(g.got, " ") != "own away" || g.twice > 0 {
					w.Errorf("the session has %q, %d twice", g.got, g.twice)
				}
				g.mu.Lock()
				g.fine()
				g.mu.Unlock()
			})
		})
	}
}

// T4: a plain client that reads its session alone, and is made a member later, does not
// lose its place in the session.
func TestT4PlainJoinsLater(t *testing.T) {
	eachWay(t, func(w *world, way string) {
		g := w.browser().plainGuest(way, "now")
		g.query = ""
		l := g.open()
		w.send(g.hello.ID, "a", "b")
		synctest.Wait()
		w.must(w.open(g.hello.ID).Join(w.Context(), "room:7", session.FromNow))
		w.publish("room:7", "c")
		synctest.Wait()
		l.close()
		w.send(g.hello.ID, "d")
		g.open()
		synctest.Wait()
		if got := strings.Join(g.got, " "); got != "a b d" || g.twice > 0 {
			w.Errorf("the session has %q, %d twice; it saw %q", got, g.twice, g.told)
		}
	})
}

// T6: _join and _from have at most 2 KiB together. More is 400, before anything is done.
func TestT6LongJoin(t *testing.T) {
	eachWay(t, func(w *world, way string) {
		for _, tt := range []struct {
			length int
			ok     bool
		}{{2048 - len("start"), true}, {2049 - len("start"), false}} {
			name := strings.Repeat("x", 100) + ","
			g := w.browser().plainGuest(way, "start", strings.Repeat(name, 30)[:tt.length])
			l := g.open()
			if tt.ok {
				synctest.Wait()
				if g.hellos != 1 || g.in(name[:100]).joins == 0 {
					w.Errorf("%d bytes: %d hellos, told %q", tt.length, g.hellos, g.told)
				}
				l.close()
				continue
			}
			<-l.done
			if l.err == nil || !strings.Contains(l.err.Error(), "400") || g.hellos > 0 {
				w.Errorf("%d bytes: %v", tt.length, l.err)
			}
		}
	})
}

// T2: two tabs of one session read different rooms.
func TestT2TwoTabs(t *testing.T) {
	eachWay(t, func(w *world, way string) {
		b := w.browser()
		one, two := b.guest(way), b.guest(way)
		one.wantsTopic("room:7", "now")
		two.wantsTopic("room:8", "now")
		one.open()
		two.open()
		one.saw("room:7 joined @0")
		two.saw("room:8 joined @0")
		w.publish("room:7", "seven")
		w.publish("room:8", "eight")
		w.send(one.hello.ID, "both")
		synctest.Wait()
		for _, g := range []*guest{one, two} {
			if strings.Join(g.got, " ") != "both" {
				w.Errorf("a tab has %q", g.got)
			}
			g.told = without(g.told, "session both")
		}
		one.saw("room:7 seven @1")
		two.saw("room:8 eight @1")
		one.mu.Lock()
		two.mu.Lock()
		if one.own != two.own {
			w.Errorf("the session's positions are %s and %s", one.own, two.own)
		}
		two.mu.Unlock()
		one.mu.Unlock()
	})
}

// T2: a membership of the session reaches all its tabs, and those to come, which begin
// after what any tab has acknowledged. One of a reader reaches that tab alone.
func TestT2SessionJoins(t *testing.T) {
	for _, way := range downWays {
		t.Run(way, func(t *testing.T) {
			inWorld(t, setup{}, func(w *world) { // no OnJoin: joins by the server ask nobody
				b := w.browser()
				one, two := b.guest(way), b.guest(way)
				l := one.open()
				two.open()
				s := w.open(one.hello.ID)
				w.must(s.Join(w.Context(), "~user:42", session.FromStart))
				synctest.Wait()
				w.publish("~user:42", "first")
				for _, g := range []*guest{one, two} {
					g.saw("~user:42 joined @0", "~user:42 first @1")
				}
				w.must(s.Join(w.Context(), "~user:42", session.FromNow)) // joining twice is joining once
				w.publish("~user:42", "a")
				one.saw("~user:42 a @2")
				two.saw("~user:42 a @2")

				late := b.guest(way)
				late.open()
				if way == "poll" { // a poll acknowledges what those before it have brought
					late.saw("~user:42 joined @2")
				} else {
					late.saw("~user:42 first @1", "~user:42 a @2", "~user:42 joined @2")
				}
				one.ack()
				later := b.guest(way)
				later.open()
				later.saw("~user:42 joined @2")

				w.must(s.JoinReader(w.Context(), two.hello.Reader, "doc:1", session.FromNow))
				two.saw("doc:1 joined @0")
				w.publish("doc:1", "x")
				two.saw("doc:1 x @1")
				one.saw()
				late.saw()
				if err := s.JoinReader(w.Context(), "nobody", "doc:1", session.FromNow); !errors.Is(err,
					store.ErrNotFound) {
					w.Errorf("JoinReader of nobody: %v", err)
				}

				// It goes on at its position, without having asked.
				l.close()
				w.publish("~user:42", "b")
				one.open()
				one.saw("~user:42 b @3", "~user:42 joined @3")
				two.saw("~user:42 b @3")

				w.must(s.Leave(w.Context(), "~user:42"))
				for _, g := range []*guest{one, two} {
					g.saw("~user:42 left 403")
				}
				w.publish("~user:42", "c")
				one.saw()
			})
		})
	}
}

// T2: at most 64 topics for a tab, and 16 for a plain one. One more is refused with 413,
// also if the session is a member.
func TestT2TooMany(t *testing.T) {
	for _, plain := range []bool{false, true} {
		eachWay(t, func(w *world, way string) {
			most := session.MaxTopics
			if plain {
				most = session.MaxTopicsPlain
			}
			var topics []string
			for i := range most - 1 {
				topics = append(topics, fmt.Sprint("topic:", i))
			}
			var g *guest
			if plain {
				g = w.browser().plainGuest(way, "now", topics...)
			} else {
				g = w.browser().guest(way)
				for _, topic := range topics {
					g.wantsTopic(topic, "now")
				}
			}
			g.open()
			s := w.open(g.hello.ID)
			w.must(s.Join(w.Context(), "~session", session.FromNow))
			synctest.Wait()
			for _, topic := range append(topics, "~session") {
				if r := g.in(topic); r.joins != 1 || r.left != 0 {
					w.Errorf("%s: joined %d times, left %d", topic, r.joins, r.left)
				}
			}
			g.skip()
			if !plain {
				g.join("one:more", "now")
				g.saw("one:more left 413")
				g.ask(frame.JoinTopic{Topic: "topic:0"}) // it is a member already
				g.saw("topic:0 joined @0")
				if err := s.Join(w.Context(), "~more", session.FromNow); !errors.Is(err, store.ErrTopics) {
					w.Errorf("Join of the session: %v", err)
				}
				g.leave("topic:1")
				g.join("one:more", "now")
				g.saw("one:more joined @0")
				return
			}
			more := w.browser().plainGuest(way, "now", append(topics, "topic:16", "topic:17")...)
			more.open()
			synctest.Wait()
			joins, refused := 0, 0
			for _, r := range more.rooms {
				joins += r.joins
				if r.left == 413 {
					refused++
				}
			}
			if joins != most || refused != 1 {
				w.Errorf("%d topics joined, %d refused", joins, refused)
			}
		})
	}
}

// T9: a page that the server renders has the topic's position, and joins after it:
// nothing that is published meanwhile is missing.
func TestT9PositionInAPage(t *testing.T) {
	eachWay(t, func(w *world, way string) {
		w.publish("doc:1", "rendered")
		at := w.position("doc:1")
		w.publish("doc:1", "before the link")
		g := w.browser().guest(way)
		g.open()
		w.publish("doc:1", "before the join")
		g.join("doc:1", at.String())
		w.publish("doc:1", "after it")
		g.saw("doc:1 before the link @2", "doc:1 before the join @3", "doc:1 joined @3", "doc:1 after it @4")

		// Of a topic that has not begun, too.
		at = w.position("doc:2")
		w.publish("doc:2", "first")
		h := w.browser().guest(way)
		h.wantsTopic("doc:2", at.String())
		h.open()
		h.saw("doc:2 first @1", "doc:2 joined @1")

		// The session joins at it as well.
		s := w.open(h.hello.ID)
		at = w.position("~doc:3")
		w.publish("~doc:3", "first")
		w.must(s.Join(w.Context(), "~doc:3", session.After(at)))
		h.saw("~doc:3 first @1", "~doc:3 joined @1")
		if err := s.Join(context.Background(), "~doc:4", session.After(at)); !errors.Is(err, session.ErrInput) {
			w.Errorf("Join after a position of another topic: %v", err)
		}
	})
}

// T4: topics are joined one after the other. Until then, a plain client keeps the
// position that it presented in each, however many links end meanwhile.
func TestT4PlainVectorSlowJoins(t *testing.T) {
	for _, way := range downWays {
		t.Run(way, func(t *testing.T) {
			slowly := func(_ context.Context, _ *session.Session, j *session.Join) error {
				var i int
				_, _ = fmt.Sscanf(j.Topic, "topic:%d", &i)
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				return nil
			}
			inWorld(t, setup{session: session.Options{OnJoin: slowly}}, func(w *world) {
				var topics []string
				for i := range session.MaxTopicsPlain {
					topics = append(topics, fmt.Sprint("topic:", i))
				}
				publish := func(text string) {
					for _, topic := range topics {
						w.publish(topic, text)
					}
				}

				g := w.browser().plainGuest(way, "start", topics...)
				publish("first")
				l := g.open()
				for _, after := range []time.Duration{10, 2, 4, 6} {
					time.Sleep(after * time.Second)
					synctest.Wait()
					l.close()
					publish("more")
					l = g.open()
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()

				for _, topic := range topics {
					if got := strings.Join(g.in(topic).got, " "); got != "first more more more more" {
						w.Errorf("%s has %q", topic, got)
					}
				}
				g.mu.Lock()
				g.fine()
				g.mu.Unlock()
			})
		})
	}
}
