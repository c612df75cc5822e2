package client

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"testing"

	"github.com/mirage-go/mirage/internal/frame"
)

// FuzzC1Blocks gives a client any text as that of its server. It must not panic, and
// keeps no more than its bounds.
func FuzzC1Blocks(f *testing.F) {
	const hello = "event: mirage\ndata: {\"id\":\"a\",\"link\":\"t\",\"reason\":\"new\"}\nid: e-0\n\n"
	for _, text := range []string{
		"data: x\nid: e-1\n\nid: e-2\n\nevent: mirage-gap\ndata: {\"from\":3,\"to\":4}\nid: e-4\n\n",
		"topic: t\nevent: e\nkey: k\ngrow: 0\ndata: abc\n\n" +
			"topic: t\nevent: e\nkey: k\ngrow: 2\ndone: true\ndata: cd\nid: _aaaaabbbbb-2\n\n",
		"event: mirage-joined\ndata: {\"topic\":\"t\",\"position\":\"_aaaaabbbbb-2\",\"key\":\"k\"}\n" +
			"id: _aaaaabbbbb-2\n\n",
		"event: mirage-left\ndata: {\"topic\":\"t\",\"status\":503,\"retry\":1}\n\n",
		"event: mirage-members\ndata: {\"topic\":\"t\",\"count\":1,\"members\":[{\"key\":\"k\",\"info\":null}]}\n\n",
		"event: mirage-ack\ndata: {\"accepted\":1}\n\n" +
			"event: mirage-ack\ndata: {\"status\":409,\"accepted\":0,\"expected\":2}\n\n",
		"event: mirage-drain\ndata: {\"retry\":9223372036854775807}\n\n",
		"event: mirage-end\ndata: {\"status\":410,\"reason\":\"gone\"}\n\n",
		"event: mirage\ndata: {\"id\":\"b\",\"link\":\"u\",\"lost\":{\"from\":1,\"to\":null}}\nid: f-0\n\n",
	} {
		f.Add(hello + text)
	}

	f.Fuzz(func(t *testing.T, text string) {
		o, err := Options{
			Logger: slog.New(slog.DiscardHandler), MaxWaiting: 3, MaxMessage: 1000,
			HTTPClient: &http.Client{Transport: unreachable{}},
		}.complete()
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(&url.URL{Scheme: "http", Host: "a"}, o)
		room := &Room{c: c, name: "t"}
		room.inbox.c = c
		if err := c.enter(room, FromNow, nil); err != nil {
			t.Fatal(err)
		}
		queued := make(chan error, 1)
		c.outbox.waiters = []waiter{{&entry{message: Message{Data: []byte("up")}}, queued}}
		c.admit()

		// This goroutine is the owner.
		c.phase = PhaseConnecting
		l := c.open(SSE)
		p := frame.NewParser(o.MaxMessage)
		p.ReturnMoves()
		p.Feed([]byte(text))
		var blocks []frame.Event
		for {
			e, ok, err := p.Next()
			if err != nil || !ok {
				break
			}
			if e.Data != nil {
				e.Data = append([]byte{}, e.Data...)
			}
			blocks = append(blocks, e)
		}
		c.takeAll(l, blocks)
		for _, box := range []*inbox{&c.inbox, &room.inbox} {
			if n := len(box.items); n > 2*(2*o.MaxWaiting+extraItems) {
				t.Errorf("the inbox has %d items", n)
			}
		}
		if n := len(c.topics); n > mostOthers+1 {
			t.Errorf("there are %d topics", n)
		}

		c.finish(errors.New("the end"))
		close(c.done)
		c.cancel(ErrClosed)
		c.work.Wait()
	})
}

// An unreachable network answers no request.
type unreachable struct{}

func (unreachable) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}
