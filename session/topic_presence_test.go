package session

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/store/memory"
)

// T8: a link that ends while its session is being recorded as present leaves nobody
// behind.
func TestT8LinkEndsWhileItEnters(t *testing.T) {
	for name, goodbye := range map[string]bool{"cut": false, "goodbye": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hooked := &hookedTopics{Store: memory.New(memory.Options{})}
				m := node(t, Options{Store: hooked, Topics: withPresence, OnJoin: letJoin})
				l := stream(t, m, "id", "r")
				ask(t, m, l, TopicRequest{Topic: "room:7"})
				synctest.Wait()
				hooked.beforeEnter = func() {
					l.goodbye.Store(goodbye)
					l.Close()
					time.Sleep(afterPresence)
					synctest.Wait()
				}
				takeAll(t, l)
				time.Sleep(afterPresence)
				synctest.Wait()

				if all, err := m.Topic("room:7").Members(t.Context()); err != nil || len(all) > 0 {
					t.Errorf("members: %v, %v", all, err)
				}
				if n := len(m.hubs.named); n > 0 {
					t.Errorf("%d hubs are left", n)
				}
			})
		})
	}
}

// T8: the info is that of the last join. Polls that go on, and links that have not joined
// themselves, do not change it.
func TestT8InfoOfTheLastJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := node(t, Options{Topics: withPresence, OnJoin: letJoin})
		info := func() string {
			all, err := m.Topic("room:7").Members(t.Context())
			if err != nil || len(all) != 1 {
				t.Fatalf("members: %v, %v", all, err)
			}
			return string(all[0].Info)
		}

		first, second := pollOn(t, m, "a", 0), pollOn(t, m, "b", 0)
		for i, l := range []*Link{first, second} {
			ask(t, m, l, TopicRequest{Topic: "room:7", Info: json.RawMessage(fmt.Sprint(i + 1))})
			synctest.Wait()
			takeAll(t, l)
			l.Park(time.Minute)
		}
		for range 3 {
			for _, l := range []**Link{&first, &second} {
				*l = pollOn(t, m, (*l).Hello.Link.Reader, (*l).Hello.Link.Number)
				takeAll(t, *l)
				(*l).Park(time.Minute)
				if got := info(); got != "2" {
					t.Errorf("after a poll of %s: %s", (*l).Hello.Link.Reader, got)
				}
			}
		}

		// The whole session joins, and gets one more link.
		if err := first.s.Join(t.Context(), "room:7", FromNow); err != nil {
			t.Fatal(err)
		}
		third := pollOn(t, m, "c", 0)
		takeAll(t, third)
		third.Park(time.Minute)
		if got := info(); got != "2" {
			t.Errorf("after a link that has not joined: %s", got)
		}
	})
}

// T8: Shutdown of a node leaves nobody behind in the store, whose other nodes go on.
func TestT8Shutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Store: memory.New(memory.Options{}), Topics: withPresence, OnJoin: letJoin}
		m, other := New(o), node(t, o)
		for i, n := range []*Manager{m, m, other} {
			l := stream(t, n, fmt.Sprint("id", i), "r")
			ask(t, n, l, TopicRequest{Topic: "room:7"})
			synctest.Wait()
			takeAll(t, l)
			defer l.Close()
			if i == 0 {
				l.Close() // it may come back, for a while
			}
			if n == m {
				time.AfterFunc(time.Second, func() { l.Close() }) // as a transport does that is told to drain
			}
		}
		if err := m.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		all, err := other.Topic("room:7").Members(t.Context())
		if err != nil || len(all) != 1 || all[0].ID != "id2" {
			t.Errorf("members: %v, %v", all, err)
		}
		if len(m.hubs.named) != 0 {
			t.Errorf("the hubs are left: %v", m.hubs.named)
		}
	})
}
