package session_test

import (
	"context"
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
