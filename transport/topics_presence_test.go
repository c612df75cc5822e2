package transport_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
)

// withPresence is eachWay with a server whose topics have presence.
func withPresence(t *testing.T, f func(w *world, way string)) {
	o := session.Options{
		OnJoin: allJoin, LinkRate: -1,
		Topics: func(string) session.TopicOptions { return session.TopicOptions{Presence: true} },
	}
	for _, way := range downWays {
		t.Run(way, func(t *testing.T) {
			inWorld(t, setup{session: o}, func(w *world) { f(w, way) })
		})
	}
}

// enter returns a guest that has joined room:7 with an info.
func (b *browser) enter(way, info string) (*guest, *line) {
	b.w.Helper()
	g := b.guest(way)
	g.wantsTopic("room:7", "now", info)
	l := g.keep(way)
	synctest.Wait()
	if g.in("room:7").key == "" {
		b.w.Fatalf("it has no key: %q", g.told)
	}
	return g, l
}

// linger is how long a way that is cut keeps its session present: the server waits for
// the next poll for half a minute before that.
func linger(way string) time.Duration {
	if way == "poll" {
		return 45 * time.Second
	}
	return 12 * time.Second
}

// sees checks who is present for a guest, by their infos, once all changes were told.
func (g *guest) sees(infos ...string) {
	g.b.w.Helper()
	time.Sleep(1100 * time.Millisecond)
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.in("room:7")
	var got []string
	for _, info := range r.member {
		got = append(got, info)
	}
	slices.Sort(got)
	slices.Sort(infos)
	if !slices.Equal(got, infos) || r.count != len(infos) || r.member == nil {
		g.b.w.Errorf("%s sees %d: %q, want %q", g.way, r.count, got, infos)
	}
	g.fine()
}

// T8: members are told all who are present at once, and changes within a second. There is
// one entry for a session, with the info that was joined last, and a key that does not
// tell its id.
func TestT8Members(t *testing.T) {
	withPresence(t, func(w *world, way string) {
		ann, _ := w.browser().enter(way, `"Ann"`)
		ann.saw(`room:7 joined @0`, `room:7 members 1: "Ann"`)
		other := w.browser()
		bob, _ := other.enter(way, `"Bob"`)
		bob.saw(`room:7 joined @0`, `room:7 members 2: "Ann" "Bob"`)
		time.Sleep(900 * time.Millisecond)
		ann.saw() // changes are collected
		cid, _ := w.browser().enter(way, `{"name":"Cid"}`)
		ann.sees(`"Ann"`, `"Bob"`, `{"name":"Cid"}`)
		if way != "poll" {
			ann.saw(`room:7 members 3: +"Bob" {"name":"Cid"}`)
		}
		bob.sees(`"Ann"`, `"Bob"`, `{"name":"Cid"}`)
		cid.sees(`"Ann"`, `"Bob"`, `{"name":"Cid"}`)

		second, _ := other.enter(way, `"Bob again"`)
		ann.sees(`"Ann"`, `"Bob again"`, `{"name":"Cid"}`)
		if a, b := bob.in("room:7").key, second.in("room:7").key; a != b {
			w.Errorf("the keys of two tabs are %s and %s", a, b)
		}
		cid.join("room:7", "now", `"Cid, changed"`)
		ann.sees(`"Ann"`, `"Bob again"`, `"Cid, changed"`)
		plain := w.browser().plainGuest(way, "now", "room:7")
		plain.open()
		plain.sees(`"Ann"`, `"Bob again"`, `"Cid, changed"`, `null`)
		ann.sees(`"Ann"`, `"Bob again"`, `"Cid, changed"`, `null`)

		// The server knows who they are.
		members, err := w.m.Topic("room:7").Members(w.Context())
		w.must(err)
		guests := []*guest{ann, bob, cid, plain}
		for i, m := range members {
			if g := guests[i]; m.ID != g.hello.ID || m.Key != g.in("room:7").key || strings.Contains(m.Key, m.ID) {
				w.Errorf("member %d is %+v", i, m)
			}
		}

		cid.leave("room:7")
		ann.sees(`"Ann"`, `"Bob again"`, `null`)
		w.must(w.m.Topic("room:7").Remove(w.Context(), bob.hello.ID))
		ann.sees(`"Ann"`, `null`)
	})
}

// T8: the id of a session is not on any other's wire.
func TestT8NoID(t *testing.T) {
	withPresence(t, func(w *world, way string) {
		var mu sync.Mutex
		var wire strings.Builder
		ann := w.browser().guest(way)
		ann.wantsTopic("room:7", "now")
		ann.note = func(e frame.Event) {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintln(&wire, e.ID, e.Name, e.Topic, e.Key, string(e.Data))
		}
		ann.keep(way)
		bob, l := w.browser().enter(way, `"Bob"`)
		w.publish("room:7", "x")
		ann.sees(`null`, `"Bob"`)
		bob.join("room:7", "now", `"Rob"`)
		ann.sees(`null`, `"Rob"`)
		l.close()
		time.Sleep(linger(way))
		ann.sees(`null`)
		mu.Lock()
		defer mu.Unlock()
		if text := wire.String(); strings.Contains(text, bob.hello.ID) || strings.Contains(text, bob.hello.Reader) {
			w.Errorf("the id %s or the reader is in\n%s", bob.hello.ID, text)
		}
	})
}

// T8: a reload, and a cut of less than ten seconds, are not told. A goodbye is told
// within a second, and a longer cut after ten. A session that has another tab has not
// left.
func TestT8Away(t *testing.T) {
	withPresence(t, func(w *world, way string) {
		ann, _ := w.browser().enter(way, `"Ann"`)
		steady := func(what string, g *guest, f func() (*guest, *line)) (*guest, *line) {
			w.Helper()
			ann.sees(`"Ann"`, `"Bob"`)
			ann.skip()
			key := g.in("room:7").key
			g, l := f()
			for range 15 {
				ann.sees(`"Ann"`, `"Bob"`)
			}
			ann.saw()
			if now := g.in("room:7").key; now != key {
				w.Errorf("%s: the key was %s, and is %s", what, key, now)
			}
			return g, l
		}
		words := func(g *guest, up frame.Up) {
			w.Helper()
			up.Writer, up.Base, up.Leaving = g.cid, 1, true
			a := g.b.do("POST", "?_cid="+g.cid, string(frame.AppendUp(nil, up)),
				"Mirage-Link", g.hello.Link, "Content-Type", "text/event-stream")
			if a.status != http.StatusOK {
				w.Errorf("last words: %d %s", a.status, a.body)
			}
		}

		b := w.browser()
		bob, l := b.enter(way, `"Bob"`)
		bob, l = steady("cut", bob, func() (*guest, *line) {
			l.close()
			time.Sleep(9 * time.Second)
			return bob, bob.keep(way)
		})
		bob, l = steady("reload", bob, func() (*guest, *line) {
			l.cut()
			words(bob, frame.Up{Reload: true})
			<-l.done
			time.Sleep(8 * time.Second)
			return b.enter(way, `"Bob"`)
		})
		bob, l = steady("goodbye of one tab", bob, func() (*guest, *line) {
			second, line := b.enter(way, `"Bob"`)
			l.cut()
			words(bob, frame.Up{})
			<-l.done
			return second, line
		})

		l.close() // and stays away
		time.Sleep(8 * time.Second)
		ann.sees(`"Ann"`, `"Bob"`)
		time.Sleep(linger(way) - 9*time.Second)
		ann.sees(`"Ann"`)

		bob, l = b.enter(way, `"Bob"`)
		ann.sees(`"Ann"`, `"Bob"`)
		l.cut()
		words(bob, frame.Up{})
		<-l.done
		ann.sees(`"Ann"`)

		bob, l = b.enter(way, `"Bob"`)
		ann.sees(`"Ann"`, `"Bob"`)
		b.do("DELETE", "?_cid="+bob.cid, "", "Mirage-Link", bob.hello.Link)
		l.close()
		ann.sees(`"Ann"`)

		// The goodbye of a tab does not tell that another one, which was cut, is away.
		one, lineOfOne := b.enter(way, `"Bob"`)
		_, lineOfTwo := b.enter(way, `"Bob"`)
		ann.sees(`"Ann"`, `"Bob"`)
		lineOfTwo.close()
		time.Sleep(time.Second)
		lineOfOne.cut()
		words(one, frame.Up{})
		<-lineOfOne.done
		ann.sees(`"Ann"`, `"Bob"`)
	})
}

// T8: what changes while a client of polls is not waiting for an answer is told by the
// next one.
func TestT8BetweenPolls(t *testing.T) {
	withPresence(t, func(w *world, way string) {
		if way != "poll" {
			return
		}
		b := w.browser()
		ann := b.guest("poll")
		ann.wantsTopic("room:7", "now", `"Ann"`)
		poll := func(wait string) { // one poll
			w.Helper()
			w.must(ann.get(w.Context(), "&_wait="+wait, ann.hello.Link))
			ann.http.CloseIdleConnections()
			synctest.Wait()
		}
		poll("0")
		poll("1")
		bob, l := w.browser().enter("sse", `"Bob"`)
		time.Sleep(5 * time.Second)
		poll("1")
		ann.sees(`"Ann"`, `"Bob"`)
		bob.join("room:7", "now", `"Rob"`)
		time.Sleep(5 * time.Second)
		poll("1")
		ann.sees(`"Ann"`, `"Rob"`)
		ann.skip()
		start := time.Now()
		poll("7")
		if took := time.Since(start); took != 7*time.Second {
			w.Errorf("a poll with nothing to tell took %v", took)
		}
		ann.saw()
		l.close()
		time.Sleep(12 * time.Second)
		poll("1")
		ann.sees(`"Ann"`)
	})
}

// T8: of more than 100 members, or more than 4 KiB, clients are told the number alone. As
// soon as there are fewer, they are told who.
func TestT8ManyMembers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		most  int // that are told
		infos string
	}{
		{"members", 100, `%d`},
		{"bytes", 4, `"%d ` + strings.Repeat("x", 900) + `"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withPresence(t, func(w *world, way string) {
				first, _ := w.browser().enter(way, fmt.Sprintf(tt.infos, 1))
				var last *line
				for i := 2; i <= tt.most; i++ {
					_, last = w.browser().enter("sse", fmt.Sprintf(tt.infos, i))
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if r := first.in("room:7"); r.count != tt.most || len(r.member) != tt.most {
					w.Errorf("it sees %d, and knows %d", r.count, len(r.member))
				}

				over, l := w.browser().enter(way, fmt.Sprintf(tt.infos, 101))
				time.Sleep(2 * time.Second)
				synctest.Wait()
				for _, g := range []*guest{first, over} {
					if r := g.in("room:7"); r.count != tt.most+1 || r.member != nil {
						w.Errorf("it sees %d, and knows %d", r.count, len(r.member))
					}
				}
				first.mu.Lock()
				if line := first.told[len(first.told)-1]; line != fmt.Sprintf("room:7 members %d", tt.most+1) {
					w.Errorf("it was told %q", line)
				}
				first.mu.Unlock()

				l.close()
				last.close()
				time.Sleep(linger(way) + time.Second)
				synctest.Wait()
				if r := first.in("room:7"); r.count != tt.most-1 || len(r.member) != tt.most-1 {
					w.Errorf("it sees %d, and knows %d", r.count, len(r.member))
				}
			})
		})
	}
}

// T8: a session that joins as a whole is present while it has a link.
func TestT8SessionJoins(t *testing.T) {
	withPresence(t, func(w *world, way string) {
		ann, _ := w.browser().enter(way, `"Ann"`)
		bob := w.browser().guest(way)
		l := bob.open()
		w.must(w.open(bob.hello.ID).Join(w.Context(), "room:7", session.FromNow))
		ann.sees(`"Ann"`, `null`)
		bob.sees(`"Ann"`, `null`)
		l.close()
		time.Sleep(linger(way))
		ann.sees(`"Ann"`)
		bob.open()
		ann.sees(`"Ann"`, `null`)
	})
}

// T8: polls that overlap, come and go leave nobody present who is gone.
func TestT8OverlappingPolls(t *testing.T) {
	withPresence(t, func(w *world, way string) {
		if way != "poll" {
			return
		}
		ann, _ := w.browser().enter("sse", `"Ann"`)
		var work sync.WaitGroup
		for range 20 {
			g := w.browser().guest("poll")
			g.wantsTopic("room:7", "now", `"one of many"`)
			work.Go(func() {
				for range 3 {
					token := ""
					for i := range 5 {
						var polls sync.WaitGroup
						for range 3 {
							polls.Go(func() { _ = g.get(w.Context(), "&_wait=1", token) })
						}
						polls.Wait()
						g.mu.Lock()
						token = g.hello.Link
						g.mu.Unlock()
						if i == 3 {
							g.b.do("DELETE", "?_cid="+g.cid, "", "Mirage-Link", token)
						}
					}
				}
				g.http.CloseIdleConnections()
			})
		}
		work.Wait()
		time.Sleep(time.Minute)
		ann.sees(`"Ann"`)
	})
}
