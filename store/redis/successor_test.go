package redis_test

import (
	"context"
	"testing"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// A node that still has a link of an ended session finds the session that another node
// has made since: for messages of the application and of the client, and for its polls.
func TestSuccessor(t *testing.T) {
	t.Parallel()
	addr := startServer(t).addr
	for _, how := range []string{"Send", "Receive", "poll"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			mo := session.Options{OnMessage: func(ctx context.Context, s *session.Session, in session.Incoming) error {
				_, err := s.Send(ctx, in.Message)
				return err
			}}
			one := newNode(t, addr, "succeeded by "+how, redis.Options{}, mo)
			two := newNode(t, addr, "succeeded by "+how, redis.Options{}, mo)

			left := (&client{t: t, id: "a"}).attach(one.Manager)
			defer left.Close()
			if err := two.End(ctx, "a"); err != nil {
				t.Fatal(err)
			}

			l, err := two.Attach(ctx, session.Attach{ID: "a", Reader: "r", Poll: true})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()

			switch how {
			case "Send":
				_, err = one.Send(ctx, "a", store.Text("1"))
			case "Receive":
				_, err = one.Receive(ctx, session.Upstream{
					ID: "a", Link: l.Hello.Link, Writer: "w", Base: 1,
					Messages: []session.Numbered{{Number: 1, Message: store.Text("1")}},
				})
			case "poll":
				var on *session.Link
				poll := session.Attach{ID: "a", Reader: "r", Number: l.Hello.Link.Number, Poll: true}
				if on, err = one.Attach(ctx, poll); err == nil {
					on.Close()
				}
			}
			if err != nil {
				t.Errorf("at the other node: %v", err)
			}
		})
	}
}
