package session_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// T6: a client that leaves a topic and joins it again before its link has noticed begins
// as it asked to.
func TestT6LeaveAndJoinAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		m := session.New(session.Options{
			OnJoin: func(context.Context, *session.Session, *session.Join) error { return nil },
		})
		topic := m.Topic("room:7")
		if _, err := topic.Publish(ctx, store.Text("one")); err != nil {
			t.Fatal(err)
		}
		l, err := m.Attach(ctx, session.Attach{
			ID: "ann", Reader: "tab", Topics: []session.TopicRequest{{Topic: "room:7", From: "start"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Shutdown(ctx)
		defer l.Close()

		var b session.Batch
		messages := func() (n int) {
			synctest.Wait()
			if err := l.Take(ctx, &b); err != nil {
				t.Fatal(err)
			}
			for _, block := range b.Topics {
				if block.Joined == nil && block.Entry.Message != nil {
					n++
				}
			}
			return n
		}
		if n := messages(); n != 1 {
			t.Fatalf("%d messages at the first join, want 1", n)
		}

		_, err = m.Receive(ctx, session.Upstream{ID: "ann", Link: l.Hello.Link, Topics: []session.TopicRequest{
			{Topic: "room:7", Leave: true}, {Topic: "room:7", From: "start"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if n := messages(); n != 1 {
			t.Errorf("%d messages at the second join, want 1", n)
		}
		if len(b.Topics) == 0 || b.Topics[len(b.Topics)-1].Joined == nil {
			t.Errorf("it was not told that it has joined: %+v", b.Topics)
		}
	})
}

// T9: a page that shows the history joins after it, and misses nothing.
func TestT9History(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		m := session.New(session.Options{})
		defer m.Shutdown(ctx)
		topic := m.Topic("room:7")
		empty, err := topic.History(ctx)
		if at, _ := topic.Position(ctx); err != nil || len(empty.Messages) != 0 || empty.Position != at {
			t.Fatalf("the history of a new topic is %+v, %v; its position is %v", empty, err, at)
		}

		w := topic.Stream(ctx, "answer", "1")
		for _, text := range []string{"a", "b"} {
			if _, err := w.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			if _, err := topic.Publish(ctx, store.Text("m"+text)); err != nil {
				t.Fatal(err)
			}
		}
		past, err := topic.History(ctx)
		if err != nil || len(past.Messages) != 3 || string(past.Messages[0].Message.Data) != "ab" ||
			!past.Messages[0].Grows || past.Messages[0].Done || string(past.Messages[2].Message.Data) != "mb" {
			t.Fatalf("%+v, %v", past, err)
		}

		s, err := m.Open(ctx, "ann")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Join(ctx, "room:7", session.After(past.Position)); err != nil {
			t.Fatal(err)
		}
		if _, err := topic.Publish(ctx, store.Text("next")); err != nil {
			t.Fatal(err)
		}
		l, err := m.Attach(ctx, session.Attach{ID: "ann", Reader: "tab"})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		var b session.Batch
		if err := l.Take(ctx, &b); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, block := range b.Topics {
			if block.Joined == nil && block.Entry.Message != nil {
				got = append(got, string(block.Entry.Message.Data))
			}
		}
		if !slices.Equal(got, []string{"ab", "next"}) { // what grows comes whole, instead of what the page has
			t.Errorf("the page gets %q", got)
		}
	})
}
