package session_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
)

// told collects the callbacks, each with the value that it finds.
type told []string

func (said *told) say(ctx context.Context, what string) {
	*said = append(*said, fmt.Sprint(what, " ", session.Value(ctx)))
}

func (said *told) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(*said, want) {
		t.Errorf("said %q, want %q", *said, want)
	}
	*said = nil
}

// valued returns a Manager whose callbacks record the values that they find.
func valued(t *testing.T, o session.Options, said *told) *session.Manager {
	o.OnOpen = func(ctx context.Context, _ *session.Session) { said.say(ctx, "open") }
	o.OnAttach = func(ctx context.Context, _ *session.Session, _ session.ReaderInfo) { said.say(ctx, "attach") }
	o.OnDetach = func(ctx context.Context, _ *session.Session, _ session.ReaderInfo) { said.say(ctx, "detach") }
	o.OnGap = func(ctx context.Context, _ *session.Session, _ session.ReaderInfo, _ store.Lost) {
		said.say(ctx, "gap")
	}
	o.OnEnd = func(ctx context.Context, _ store.Ended) { said.say(ctx, "end") }
	o.OnMessage = func(ctx context.Context, _ *session.Session, _ session.Incoming) error {
		said.say(ctx, "message")
		return nil
	}
	m := session.New(o)
	t.Cleanup(func() { m.Shutdown(context.Background()) })
	return m
}

// Every callback finds the value of the request behind it.
func TestValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said told
		m := valued(t, session.Options{MaxMessages: 1, Overflow: store.OverflowDropOldest}, &said)
		l := link(t, m, session.Attach{ID: "id", Reader: "r", Value: "link"})
		said.want(t, "open link", "attach link")

		for range 2 {
			if _, err := m.Send(t.Context(), "id", store.Text("x")); err != nil {
				t.Fatal(err)
			}
		}
		var b session.Batch
		if err := l.Take(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		said.want(t, "gap link")

		up := session.Upstream{ID: "id", Link: l.Hello.Link, Writer: "w", Base: 1, Value: "post"}
		up.Messages = []session.Numbered{{Number: 1, Message: store.Text("x")}}
		if _, err := m.Receive(t.Context(), up); err != nil {
			t.Fatal(err)
		}
		said.want(t, "message post")
		up = session.Upstream{ID: "id", Messages: []session.Numbered{{Message: store.Text("x")}}}
		if _, err := m.Receive(t.Context(), up); err != nil {
			t.Fatal(err)
		}
		said.want(t, "message <nil>")

		l.Close()
		l = link(t, m, session.Attach{ID: "id", Reader: "r", Value: "next"})
		l.Close()
		time.Sleep(11 * time.Second)
		synctest.Wait()
		said.want(t, "detach next")

		link(t, m, session.Attach{ID: "id", Reader: "r", Value: "last"}).Close()
		said = nil
		bye := session.Quit{ID: "id", Link: store.LinkRef{Reader: "r"}, Value: "bye"}
		if err := m.Quit(t.Context(), bye); err != nil {
			t.Fatal(err)
		}
		said.want(t, "detach bye", "end bye")
	})
}

// A client that presents a position of another epoch is told of a gap at once.
func TestValueOfAGapAtTheHello(t *testing.T) {
	var said told
	m := valued(t, session.Options{}, &said)
	defer link(t, m, session.Attach{ID: "id", Reader: "r", Position: "1-1", Value: "link"}).Close()
	said.want(t, "open link", "attach link", "gap link")
}

// A Move reports each reader gone with the value of its last link, whether the reader is
// here, is between two polls, or has just left.
func TestValueAtMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said told
		m := valued(t, session.Options{}, &said)
		link(t, m, session.Attach{ID: "id", Reader: "old", Value: "link"}).Close()
		defer link(t, m, session.Attach{ID: "id", Reader: "here", Value: "link"}).Close()
		defer link(t, m, session.Attach{ID: "id", Reader: "here", Value: "newer"}).Close()
		link(t, m, session.Attach{ID: "id", Reader: "polls", Value: "poll", Poll: true}).Park(time.Minute)
		said = nil
		if err := m.Move(t.Context(), "id", "to", ""); err != nil {
			t.Fatal(err)
		}
		slices.Sort(said)
		said.want(t, "detach link", "detach newer", "detach poll")
	})
}

// The page's goodbye is a request, too: if this node has no link of the reader, OnDetach
// finds the goodbye's value.
func TestValueOfTheGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first, second told
		o := session.Options{Store: memory.New(memory.Options{})}
		here, other := valued(t, o, &first), valued(t, o, &second)
		leave := func(m *session.Manager, ref store.LinkRef) {
			t.Helper()
			up := session.Upstream{ID: "id", Link: ref, Writer: "w", Base: 1, Leaving: true, Value: "goodbye"}
			if _, err := m.Receive(t.Context(), up); err != nil {
				t.Fatal(err)
			}
			time.Sleep(11 * time.Second)
			synctest.Wait()
		}
		l := link(t, here, session.Attach{ID: "id", Reader: "r", Value: "link"})
		leave(here, l.Hello.Link)
		first.want(t, "open link", "attach link", "detach link")
		l.Close()

		l = link(t, here, session.Attach{ID: "id", Reader: "r", Value: "link"})
		leave(other, l.Hello.Link)
		second.want(t, "detach goodbye")
		l.Close()
	})
}

// A callback without a request on this node has no value.
func TestValueWithoutRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said told
		m := valued(t, session.Options{Retention: time.Minute}, &said)
		if _, err := m.Open(t.Context(), "id"); err != nil {
			t.Fatal(err)
		}
		link(t, m, session.Attach{ID: "id", Reader: "r", Value: "link"}).Close()
		said = nil
		if err := m.End(t.Context(), "id"); err != nil {
			t.Fatal(err)
		}
		said.want(t, "end <nil>")
		link(t, m, session.Attach{ID: "id", Reader: "r"}).Close()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		said.want(t, "open <nil>", "attach <nil>", "detach <nil>", "end <nil>")
	})
}
