package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
)

// A doorman is an OnJoin. It notes what it is asked.
type doorman struct {
	mu     sync.Mutex
	asked  []string // topics
	answer func(ctx context.Context, j *session.Join) error
}

func (d *doorman) onJoin(ctx context.Context, _ *session.Session, j *session.Join) error {
	d.mu.Lock()
	d.asked = append(d.asked, j.Topic)
	answer := d.answer
	d.mu.Unlock()
	if answer == nil {
		return nil
	}
	return answer(ctx, j)
}

// wasAsked checks for which topics the doorman was asked since the last call.
func (d *doorman) wasAsked(w *world, topics ...string) {
	w.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.Sort(d.asked)
	if slices.Sort(topics); !slices.Equal(d.asked, topics) {
		w.Errorf("OnJoin was asked for %q, want %q", d.asked, topics)
	}
	d.asked = nil
}

// atDoor is eachWay with a doorman.
func atDoor(t *testing.T, f func(w *world, d *doorman, way string)) {
	for _, way := range downWays {
		t.Run(way, func(t *testing.T) {
			d := &doorman{}
			s := (&shop{how: rotate, hook: -1}).setup()
			s.session.OnJoin, s.session.Logger = d.onJoin, slog.New(slog.DiscardHandler)
			inWorld(t, s, func(w *world) { f(w, d, way) })
		})
	}
}

// T6: a refusal of OnJoin reaches the client as mirage-left, with the status that the
// hook chose. The link goes on.
func TestT6Refused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(ctx context.Context, j *session.Join) error
		want   string
		takes  time.Duration
	}{
		{"an error", func(context.Context, *session.Join) error { return errors.New("secret") }, "left 403", 0},
		{"a status", func(context.Context, *session.Join) error {
			return fmt.Errorf("wrapped: %w", &middleware.Error{Status: 404, Reason: "no such room"})
		}, "left 404", 0},
		{"come back", func(context.Context, *session.Join) error {
			return &middleware.Error{Status: 429, Reason: "full", RetryAfter: 7 * time.Second}
		}, "left 429 retry 7000", 0},
		{"no status", func(context.Context, *session.Join) error {
			return &middleware.Error{Status: 200}
		}, "left 503", 0},
		{"panic", func(context.Context, *session.Join) error { panic("hook") }, "left 503", 0},
		{"too slow", func(ctx context.Context, _ *session.Join) error {
			<-ctx.Done()
			return nil
		}, "left 503", 5 * time.Second},
		{"too slow, without looking", func(context.Context, *session.Join) error {
			time.Sleep(8 * time.Second)
			return nil
		}, "left 503", 5 * time.Second},
		{"bad info", func(_ context.Context, j *session.Join) error {
			j.Info = json.RawMessage("{")
			return nil
		}, "left 503", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			atDoor(t, func(w *world, d *doorman, way string) {
				d.answer = tt.answer
				g := w.browser().guest(way)
				g.wantsTopic("room:7", "start")
				var text string
				g.note = func(e frame.Event) {
					if e.Name == frame.EventLeft {
						text = string(e.Data)
					}
				}
				w.publish("room:7", "not for everybody")
				start := time.Now()
				g.open()
				if took := time.Since(start); g.hellos != 1 || took > 0 {
					w.Errorf("hello after %v", took)
				}
				w.send(g.hello.ID, "meanwhile")
				g.saw2(tt.takes, "session meanwhile", "room:7 "+tt.want)
				if strings.Contains(text, "secret") || strings.Contains(text, "hook") {
					w.Errorf("told %s", text)
				}
				w.send(g.hello.ID, "later")
				w.publish("room:7", "not for everybody")
				g.saw("session later")

				d.answer = nil
				g.join("room:7", "now")
				g.saw("room:7 joined @2")
				time.Sleep(10 * time.Second) // the slow hook has returned
				g.skip()
			})
		})
	}
}

// saw2 is saw for lines in any order, of which some come only after a while.
func (g *guest) saw2(after time.Duration, want ...string) {
	g.b.w.Helper()
	synctest.Wait()
	time.Sleep(after)
	synctest.Wait()
	g.mu.Lock()
	slices.Sort(g.told)
	g.mu.Unlock()
	slices.Sort(want)
	g.saw(want...)
}

// T6: without OnJoin all joins by clients are refused.
func TestT6NoHook(t *testing.T) {
	for _, way := range downWays {
		inWorld(t, setup{}, func(w *world) {
			g := w.browser().guest(way)
			g.wantsTopic("room:7", "now")
			g.open()
			g.saw("room:7 left 403")
			plain := w.browser().plainGuest(way, "now", "room:7")
			plain.open()
			plain.saw("room:7 left 403")
		})
	}
}

// T6: hello waits for no hook, also if all hooks are busy. Each join waits for its own.
func TestT6SlowHooks(t *testing.T) {
	for _, way := range downWays {
		d := &doorman{answer: func(ctx context.Context, j *session.Join) error {
			if strings.HasPrefix(j.Topic, "slow") {
				time.Sleep(2 * time.Second)
			}
			return nil
		}}
		o := session.Options{OnJoin: d.onJoin, MaxHooks: 2}
		inWorld(t, setup{session: o}, func(w *world) {
			g, plain := w.browser().guest(way), w.browser().plainGuest(way, "now", "slow:3", "fast:2")
			for _, topic := range []string{"slow:1", "slow:2"} {
				g.wantsTopic(topic, "now")
			}
			start := time.Now()
			g.open()
			plain.open()
			if time.Since(start) > 0 || g.hellos != 1 || plain.hellos != 1 {
				t.Errorf("hellos after %v", time.Since(start))
			}
			w.send(g.hello.ID, "at once")
			g.saw("session at once")
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if g.in("slow:1").joins != 1 || g.in("slow:2").joins != 1 {
				t.Errorf("joined: %q", g.told)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if plain.in("slow:3").joins != 1 || plain.in("fast:2").joins != 1 {
				t.Errorf("joined: %q", plain.told)
			}
		})
	}
}

// T6: the hook may change where the client begins, and its info.
func TestT6HookChanges(t *testing.T) {
	for _, way := range downWays {
		t.Run(way, func(t *testing.T) {
			var got session.Join
			o := session.Options{
				Topics: func(string) session.TopicOptions { return session.TopicOptions{Presence: true} },
				OnJoin: func(_ context.Context, _ *session.Session, j *session.Join) error {
					got = *j
					j.From, j.Info = session.FromStart, json.RawMessage(`"by the hook"`)
					return nil
				},
			}
			inWorld(t, setup{session: o}, func(w *world) {
				w.publish("room:7", "a")
				g := w.browser().guest(way)
				g.open()
				g.join("room:7", "now", `{"name":"Ann"}`)
				g.saw(`room:7 a @1`, `room:7 joined @1`, `room:7 members 1: "by the hook"`)
				if got.Topic != "room:7" || string(got.Info) != `{"name":"Ann"}` || got.From != session.FromNow ||
					got.Reader.Reader != g.hello.Reader || got.Reader.Transport != way || got.Reader.Plain {
					t.Errorf("the hook got %+v", got)
				}

				plain := w.browser().plainGuest(way, "start", "room:8")
				plain.open()
				synctest.Wait()
				if got.Topic != "room:8" || got.From != session.FromStart || !got.Reader.Plain {
					t.Errorf("the hook got %+v", got)
				}
			})
		})
	}
}

// T6: a client that asks again for what it has joined is told again, and no hook is
// asked.
func TestT6AskAgain(t *testing.T) {
	atDoor(t, func(w *world, d *doorman, way string) {
		w.publish("room:7", "a")
		g := w.browser().guest(way)
		g.wantsTopic("room:7", "start")
		g.open()
		g.saw("room:7 a @1", "room:7 joined @1")
		for range 2 {
			g.ask(frame.JoinTopic{Topic: "room:7", From: "start"})
			g.saw("room:7 joined @1")
		}
		d.wasAsked(w, "room:7")
	})
}

// T6: a member that asks again with another info, and is refused, is a member no more.
func TestT6RefusedAgain(t *testing.T) {
	atDoor(t, func(w *world, d *doorman, way string) {
		d.answer = func(_ context.Context, j *session.Join) error {
			if string(j.Info) == `"bad"` {
				return errors.New("no")
			}
			return nil
		}
		g := w.browser().guest(way)
		g.open()
		g.join("room:7", "now", `"good"`)
		g.saw("room:7 joined @0")
		g.join("room:7", "now", `"better"`)
		g.saw("room:7 joined @0")
		d.wasAsked(w, "room:7", "room:7")
		g.join("room:7", "now", `"bad"`)
		g.saw("room:7 left 403")
		w.publish("room:7", "secret")
		g.saw()
	})
}

// T6: of a batch, each block counts after those before it: a client may leave a topic and
// join it again, and that join begins where it says.
func TestT6LeaveAndJoinInOneBatch(t *testing.T) {
	atDoor(t, func(w *world, d *doorman, way string) {
		w.publish("room:7", "a")
		g := w.browser().guest(way)
		g.wantsTopic("room:7", "now")
		g.open()
		g.saw("room:7 joined @1")
		w.publish("room:7", "b")
		g.saw("room:7 b @2")

		leave := frame.AppendLeave(nil, &frame.Leave{Topics: []string{"room:7"}})
		join := frame.AppendJoin(nil, &frame.Join{Topics: []frame.JoinTopic{{Topic: "room:7", From: "start"}}})
		g.mu.Lock()
		g.at = nil // it forgets the topic
		g.mu.Unlock()
		g.up(append(leave[:len(leave):len(leave)], join...))
		g.saw("room:7 a @1", "room:7 b @2", "room:7 joined @2")
		d.wasAsked(w, "room:7", "room:7")

		g.mu.Lock()
		g.wants = nil
		g.at = nil
		g.mu.Unlock()
		again := frame.AppendJoin(nil, &frame.Join{Topics: []frame.JoinTopic{{Topic: "room:8", From: "start"}}})
		g.up(slices.Concat(leave, again, frame.AppendLeave(nil, &frame.Leave{Topics: []string{"room:8"}})))
		g.skip()
		w.publish("room:7", "c")
		w.publish("room:8", "c")
		g.saw()
	})
}

// T6, I7: after Revalidate and Rotate, the joins of every page are asked again. Session
// memberships stay.
func TestT6AskedAgain(t *testing.T) {
	atDoor(t, func(w *world, d *doorman, way string) {
		b := w.browser()
		one, two := b.guest(way), b.guest(way)
		for _, g := range []*guest{one, two} {
			g.wantsTopic("room:7", "start")
		}
		one.wantsTopic("room:8", "start")
		one.keep(way)
		synctest.Wait()
		two.keep(way)
		synctest.Wait()
		w.must(w.open(one.hello.ID).Join(w.Context(), "~all", session.FromStart))
		synctest.Wait()
		d.wasAsked(w, "room:7", "room:7", "room:8")

		check := func(text string) {
			time.Sleep(5 * time.Second)
			synctest.Wait()
			d.wasAsked(w, "room:7", "room:7", "room:8")
			for _, topic := range []string{"room:7", "room:8", "~all"} {
				w.publish(topic, text)
			}
			synctest.Wait()
			for _, g := range []*guest{one, two} {
				for _, topic := range []string{"room:7", "~all"} {
					if got := g.in(topic).got; len(got) == 0 || got[len(got)-1] != text {
						w.Errorf("%s has %q in %s, want %s", way, got, topic, text)
					}
				}
			}
		}
		w.must(w.m.Revalidate(w.Context(), one.hello.ID))
		check("revalidated")

		before := one.hello.ID
		resp, err := b.client.Post(strings.TrimSuffix(w.url, "/live")+"/login", "", nil)
		w.must(err)
		resp.Body.Close()
		b.client.CloseIdleConnections()
		check("rotated")
		if one.hello.ID == before || one.hello.ID != two.hello.ID {
			w.Errorf("the ids are %s, %s and %s", before, one.hello.ID, two.hello.ID)
		}

		// From now on the room is closed.
		d.answer = func(context.Context, *session.Join) error { return errors.New("closed") }
		w.must(w.m.Revalidate(w.Context(), one.hello.ID))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		w.publish("room:7", "secret")
		w.publish("~all", "public")
		synctest.Wait()
		for _, g := range []*guest{one, two} {
			if r := g.in("room:7"); r.left != 403 || slices.Contains(r.got, "secret") {
				w.Errorf("left with %d, and has %q", r.left, r.got)
			}
			if got := g.in("~all").got; !slices.Equal(got, []string{"revalidated", "rotated", "public"}) {
				w.Errorf("the session has %q", got)
			}
		}
	})
}

// T6: Remove ends what all links of a session have in a topic. Who asks again is asked
// about.
func TestT6Remove(t *testing.T) {
	atDoor(t, func(w *world, d *doorman, way string) {
		b := w.browser()
		one, two := b.guest(way), b.guest(way)
		other := w.browser().guest(way)
		for _, g := range []*guest{one, two, other} {
			g.wantsTopic("room:7", "start")
			g.open()
		}
		w.publish("room:7", "a")
		synctest.Wait()
		w.must(w.open(one.hello.ID).Join(w.Context(), "room:7", session.FromNow))
		for _, g := range []*guest{one, two, other} {
			g.skip()
		}

		w.must(w.m.Topic("room:7").Remove(w.Context(), one.hello.ID))
		w.publish("room:7", "b")
		one.saw("room:7 left 403")
		two.saw("room:7 left 403")
		other.saw("room:7 b @2")
		d.wasAsked(w, "room:7", "room:7", "room:7")

		one.join("room:7", "start")
		d.wasAsked(w, "room:7")
		one.saw("room:7 a @1", "room:7 b @2", "room:7 joined @2")
		w.must(w.m.Topic("room:7").Remove(w.Context(), "nobody"))
		w.must(w.m.Topic("room:9").Remove(w.Context(), one.hello.ID))
		one.saw()
	})
}

// T1, T6: clients cannot join what only the server joins, and names that are none.
func TestT6Names(t *testing.T) {
	atDoor(t, func(w *world, d *doorman, way string) {
		g := w.browser().guest(way)
		g.open()
		for _, tt := range []struct {
			name   string
			status int
		}{
			{"~user:42", 403}, {"~", 403}, {"", 400}, {"mirage-x", 400}, {"mirage", 400}, {"open", 400},
			{"error", 400}, {"close", 400}, {"a b", 400}, {"ü", 400}, {"a\nid: 9", 400}, {"a,b", 400},
			{strings.Repeat("x", 129), 400},
		} {
			g.join(tt.name, "start")
			name := tt.name
			if len(name) > 128 {
				name = name[:129]
			}
			g.saw(fmt.Sprintf("%s left %d", name, tt.status))
		}
		d.wasAsked(w)
		longest := strings.Repeat("x", 128)
		g.join(longest, "start")
		g.saw(longest + " joined @0")
		g.join("A-Za.z0_9:/-", "start")
		g.saw("A-Za.z0_9:/- joined @0")
		d.wasAsked(w, longest, "A-Za.z0_9:/-")

		plain := w.browser().plainGuest(way, "now", "~user:42", "", "a%20b", "room:7")
		plain.open()
		plain.saw2(0, "~user:42 left 403", " left 400", "a b left 400", "room:7 joined @0")
	})
}

// T6: a session joins at most so often. What is beyond that is told with 429, and is not
// asked about.
func TestT6Rate(t *testing.T) {
	atDoor(t, func(w *world, d *doorman, way string) {
		g := w.browser().guest(way)
		g.open()
		const most = 256
		for i := range most / 4 {
			var topics []frame.JoinTopic
			for j := range 5 { // a fifth too many
				topics = append(topics, frame.JoinTopic{Topic: fmt.Sprintf("t:%d", (5*i+j)%8)})
			}
			g.ask(topics...)
		}
		synctest.Wait()
		refused := 0
		for _, line := range g.told {
			if strings.HasSuffix(line, "left 429") {
				refused++
			}
		}
		if refused == 0 {
			w.Errorf("%d joins, and none is refused", 5*most/4)
		}
		// A client of polls that was told 429 is no member any more, and asked about
		// again.
		if len(d.asked) < 8 || len(d.asked) > 8+refused {
			w.Errorf("the hook was asked for %q", d.asked)
		}
		g.skip()
		time.Sleep(time.Second)
		g.ask(frame.JoinTopic{Topic: "t:0"})
		g.saw("t:0 joined @0")
	})
}

// T6: a batch may have joins alone. Each of its blocks counts against MaxBatch, and has
// at most 4 KiB. What is malformed is refused as a whole.
func TestT6Batches(t *testing.T) {
	inWorld(t, setup{session: session.Options{OnJoin: allJoin, MaxBatch: 5}}, func(w *world) {
		g := w.browser().guest("sse")
		l := g.open()
		block := func(n int) []byte {
			return frame.AppendJoin(nil, &frame.Join{Topics: []frame.JoinTopic{{Topic: fmt.Sprint("t:", n)}}})
		}
		long := []byte("event: mirage-join\ndata: {\"topics\":[{\"topic\":\"t:7\",\"x\":\"" + strings.Repeat("x",
			4096) + "\"}]}\n\n")
		for _, tt := range []struct {
			name   string
			body   []byte
			status int
			joined string
		}{
			{"one", block(1), 200, "t:1 joined @0"},
			{"as many as allowed", slices.Concat(block(1), block(1), block(1), block(1), block(2)), 200,
				"t:2 joined @0"},
			{"too many", slices.Concat(block(3), block(3), block(3), block(3), block(3), block(3)), 413, ""},
			{"long", long, 413, ""},
			{"no JSON", []byte("event: mirage-join\ndata: {\n\n"), 400, ""},
			{"no data", []byte("event: mirage-join\n\n"), 400, ""},
			{"not a list", []byte("event: mirage-leave\ndata: {\"topics\":{}}\n\n"), 400, ""},
			{"nothing in it", []byte("event: mirage-join\ndata: {}\n\n"), 200, ""},
			{"null", []byte("event: mirage-join\ndata: null\n\n"), 200, ""},
			{"long info", []byte("event: mirage-join\ndata: {\"topics\":[{\"topic\":\"t:8\",\"info\":\"" +
				strings.Repeat("x", 1024) + "\"}]}\n\n"), 200, "t:8 left 400"},
			{"longest info", []byte("event: mirage-join\ndata: {\"topics\":[{\"topic\":\"t:9\",\"info\":\"" +
				strings.Repeat("x", 1022) + "\"}]}\n\n"), 200, "t:9 joined @0"},
		} {
			g.skip()
			if status := g.post(tt.body); status != tt.status {
				t.Errorf("%s: %d, want %d", tt.name, status, tt.status)
			}
			synctest.Wait()
			if last := strings.Join(g.told, "; "); !strings.Contains(last, tt.joined) || tt.joined == "" && last != "" {
				t.Errorf("%s: told %q, want %q", tt.name, last, tt.joined)
			}
		}

		// Without the token of a link there is no link to join for.
		token := g.hello.Link
		g.hello.Link = ""
		if status := g.post(block(1)); status != http.StatusUnauthorized {
			t.Errorf("without a token: %d", status)
		}
		g.hello.Link = token
		l.close()
		time.Sleep(time.Minute)
		if status := g.post(block(4)); status != http.StatusOK && status != http.StatusUnauthorized {
			t.Errorf("after the link: %d", status)
		}
	})
}

// T6: joins over polls: each is told once. While there is nothing, polls wait.
func TestT6Polls(t *testing.T) {
	atDoor(t, func(w *world, d *doorman, _ string) {
		for _, plain := range []bool{false, true} {
			g := w.browser().guest("poll")
			if plain {
				g = w.browser().plainGuest("poll", "start", "room:7")
			} else {
				g.wantsTopic("room:7", "start")
			}
			g.open()
			g.saw("room:7 joined @0")
			before := g.polls.Load()
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if n := g.polls.Load() - before; n > 6 {
				w.Errorf("%d polls in two minutes", n)
			}
			g.saw()
			if !plain { // by a POST while a poll waits
				g.join("room:8", "start")
				g.saw("room:8 joined @0")
				w.publish("room:8", "x")
				g.saw("room:8 x @1")
				d.wasAsked(w, "room:7", "room:8")
			}
			before = g.polls.Load()
			for i := range 10 {
				w.publish("room:9", "x") // of which it is no member
				time.Sleep(time.Second)
				synctest.Wait()
				if i == 5 {
					w.publish("room:7", "y")
				}
			}
			if n := g.polls.Load() - before; n > 3 {
				w.Errorf("%d polls, and there was one message", n)
			}
			w.must(w.m.Topic("room:7").End(w.Context()))
			synctest.Wait()
		}
	})
}
