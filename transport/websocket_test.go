package transport_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/session"
)

// socket is a tab's WebSocket, by another library than the server's way out.
type socket struct {
	*ws.Conn
	t    *tab
	done chan struct{}
	err  error
	raw  []string // the frames, as they came
}

// socket opens a WebSocket and returns once the server has nothing more to do.
func (t *tab) socket(header ...string) *socket {
	t.b.w.Helper()
	s, resp, err := t.upgrade(header...)
	if err != nil {
		t.b.w.Fatal(err, resp)
	}
	synctest.Wait()
	return s
}

func (t *tab) upgrade(header ...string) (*socket, *http.Response, error) {
	h := t.b.header.Clone()
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	c, resp, err := ws.Dial(t.b.w.Context(), t.b.w.url+t.query(""), &ws.DialOptions{HTTPClient: t.b.client, HTTPHeader: h})
	if err != nil {
		return nil, resp, err
	}
	c.SetReadLimit(-1)
	s := &socket{Conn: c, t: t, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for {
			kind, text, err := c.Read(context.Background())
			if err != nil {
				s.err = err
				return
			}
			if kind != ws.MessageText {
				t.b.w.Errorf("a frame of type %v", kind)
			}
			s.raw = append(s.raw, string(text))
			t.b.w.must(t.read(strings.NewReader(string(text))))
		}
	}()
	t.b.w.Cleanup(func() { c.CloseNow(); <-s.done })
	return s, resp, nil
}

// send sends messages of the given numbers, and acknowledges what the tab has.
func (s *socket) send(messages ...string) {
	s.t.b.w.Helper()
	s.t.b.w.must(s.Write(context.Background(), ws.MessageText, []byte(s.t.batch(messages...))))
	synctest.Wait()
}

// W1, D2, U2: hello first, then messages both ways, and the answers.
func TestW1WebSocket(t *testing.T) {
	var app inbox
	inWorld(t, setup{session: session.Options{OnMessage: app.onMessage}}, func(w *world) {
		tab := w.browser().tab()
		s := tab.socket()
		w.send(tab.hello.ID, "a", "b")
		tab.has("a", "b")
		s.send("1:one", "2:fail")
		s.send("4:four")
		s.send() // acknowledges, and is not answered
		time.Sleep(time.Minute)
		app.has(w, "one", "fail")
		text, last := strings.Join(s.raw, ""), -1
		for _, want := range []string{
			"event: mirage\n", "data: a\n\n", "data: b\n\n",
			`{"status":200,"accepted":2,"failed":[2]}`,
			`{"status":409,"accepted":2,"detail":"a message is missing before this one: send from the expected number on","expected":3}`,
			"event: mirage-ack\ndata: {\"accepted\":2}\n\n",
		} {
			at := strings.Index(text, want)
			if at <= last {
				t.Errorf("%q is missing or out of place in %q", want, s.raw)
			}
			last = at
		}
		if !strings.HasPrefix(text, "id: ") || strings.Count(text, `"status"`) != 2 {
			t.Errorf("frames %q", s.raw)
		}
	})
}
