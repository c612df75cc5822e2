package transport_test

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport/poll"
	"github.com/mirage-go/mirage/transport/sse"
	sockets "github.com/mirage-go/mirage/transport/websocket"
)

// W2: each transport works when it is mounted alone, the upstream direction included.
func TestW2Alone(t *testing.T) {
	for way, handler := range map[string]func(*session.Manager) http.Handler{
		"sse":       func(m *session.Manager) http.Handler { return sse.Handler(m, sse.Options{KeepHandler: *plain}) },
		"poll":      func(m *session.Manager) http.Handler { return poll.Handler(m, poll.Options{}) },
		"websocket": func(m *session.Manager) http.Handler { return sockets.Handler(m, sockets.Options{}) },
	} {
		t.Run(way, func(t *testing.T) {
			s := newSite(t, setup{session: session.Options{OnAttach: greet}})
			s.srv.Config.Handler = s.mw(handler(s.m))
			s.srv.Start()
			if err := exchange(s, s.url(), s.client(nil), ways[way]); err != nil {
				t.Error(err)
			}
		})
	}
}

// X1: a client that polls with the token of its stream continues that link: the stream
// ends quietly, nothing is lost and nothing comes twice.
func TestX1PollOnAStreamsLink(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		tab := w.browser().tab()
		l := tab.open()
		w.send(tab.hello.ID, "a")
		tab.has("a")
		held := make(chan answer, 1)
		go func() { held <- tab.poll("25") }()
		synctest.Wait()
		select {
		case <-l.done:
		default:
			t.Error("the stream goes on beside the poll that carries its link")
		}
		w.send(tab.hello.ID, "b")
		if a := <-held; a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
		tab.has("a", "b")
		tab.open()
		w.send(tab.hello.ID, "c")
		tab.has("a", "b", "c")
		if !tab.hello.Resumed {
			t.Errorf("%+v", tab.hello)
		}
	})
}
