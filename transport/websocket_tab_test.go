package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing/synctest"

	ws "github.com/coder/websocket"
)

// socket is a tab's WebSocket. Its library is not the server's writer.
type socket struct {
	*ws.Conn
	t       *tab
	answers chan []byte // to its frames, in order
	done    chan struct{}
	err     error
	frames  []string // as they came
}

// openSocket opens a WebSocket and returns once the server has nothing more to do.
func (t *tab) openSocket(header ...string) *socket {
	t.b.w.Helper()
	s, resp, err := t.upgrade(context.Background(), t.query(""), header...)
	if err != nil {
		t.b.w.Fatal(err, resp)
	}
	go s.read(context.Background())
	t.b.w.Cleanup(func() { s.CloseNow(); <-s.done })
	synctest.Wait()
	return s
}

// dialSocket opens a WebSocket and reads until its end.
func (t *tab) dialSocket(ctx context.Context, query string) error {
	s, _, err := t.upgrade(ctx, query)
	if err != nil {
		return err
	}
	s.read(ctx)
	return s.err
}

func (t *tab) upgrade(ctx context.Context, query string, header ...string) (*socket, *http.Response, error) {
	h := t.b.header.Clone()
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	c, resp, err := ws.Dial(ctx, t.b.w.url+query, &ws.DialOptions{HTTPClient: t.b.client, HTTPHeader: h})
	if err != nil {
		return nil, resp, err
	}
	c.SetReadLimit(-1)
	return &socket{Conn: c, t: t, answers: make(chan []byte, 100), done: make(chan struct{})}, resp, nil
}

func (s *socket) read(ctx context.Context) {
	t := s.t
	defer func() {
		s.CloseNow()
		t.mu.Lock()
		if t.socket == s {
			t.socket = nil
		}
		t.mu.Unlock()
		close(s.done)
	}()

	for {
		kind, text, err := s.Read(ctx)
		if err != nil {
			s.err = err
			return
		}
		if kind != ws.MessageText {
			t.b.w.Errorf("a frame of type %v", kind)
		}

		t.mu.Lock()
		if len(s.frames) == 0 {
			t.socket = s
		}
		s.frames = append(s.frames, string(text))
		t.mu.Unlock()
		if err := t.read(strings.NewReader(string(text))); err != nil {
			t.b.w.Errorf("frame %q: %v", text, err)
		}
	}
}

// send sends messages of the given numbers, and acknowledges what the tab has.
func (s *socket) send(messages ...string) {
	s.t.b.w.Helper()
	s.t.b.w.must(s.Write(context.Background(), ws.MessageText, []byte(s.t.batch(messages...))))
	synctest.Wait()
}

// post sends messages and waits for the answer, which it returns as a POST's. ok is false
// if the link has ended meanwhile.
func (s *socket) post(messages ...string) (a answer, ok bool) {
	if s.Write(context.Background(), ws.MessageText, []byte(s.t.batch(messages...))) != nil {
		return a, false
	}
	return s.answer()
}

// answer is the answer to the oldest frame that has none yet.
func (s *socket) answer() (a answer, ok bool) {
	select {
	case text := <-s.answers:
		var status struct{ Status, Retry int }
		_ = json.Unmarshal(text, &status)
		a := answer{status.Status, http.Header{}, strings.Replace(string(text), `"status":200,`, "", 1)}
		if status.Retry > 0 {
			a.header.Set("Retry-After", strconv.Itoa((status.Retry+999)/1000))
		}
		return a, true
	case <-s.done:
		return a, false
	}
}

// text is what came, in all.
func (s *socket) text() string {
	synctest.Wait()
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return strings.Join(s.frames, "")
}

// code is the close code with which the server ended it; -1 if there was none.
func (s *socket) code() (code int, reason string) {
	<-s.done
	var ce ws.CloseError
	if !errors.As(s.err, &ce) {
		return -1, s.err.Error()
	}
	return int(ce.Code), ce.Reason
}
