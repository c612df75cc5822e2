package transport_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/transport/sse"
	sockets "github.com/mirage-go/mirage/transport/websocket"
)

// I7, I11: a link token lets a poll continue, and alone begins nothing: no stream and no
// WebSocket, with _wait or without. Otherwise it would renew itself for ever past
// Validate and Revoke.
func TestI7TokenBeginsNothing(t *testing.T) {
	calls := 0
	var s setup
	s.identity.Validate = func(*http.Request, string) (string, error) { calls++; return "", nil }
	inWorld(t, s, func(w *world) {
		tab := w.browser().tab()
		tab.b.streams = true
		tab.open()
		id, token := tab.hello.ID, tab.token()
		before := calls
		_, resp, err := tab.upgrade(context.Background(), tab.query("&_wait=25"), "Mirage-Link", token)
		if err == nil || resp.StatusCode != 401 {
			t.Errorf("a WebSocket that begins by a token: %v %v", resp, err)
		}
		w.must(w.m.Revoke(w.Context(), id))
		synctest.Wait()
		if _, _, err := tab.upgrade(context.Background(), tab.query("&_wait=25"), "Mirage-Link", token); err == nil {
			t.Error("a WebSocket after Revoke")
		}
		if calls != before {
			t.Errorf("%d calls of Validate more", calls-before)
		}
		if _, err := w.m.Send(w.Context(), id, store.Text("x")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a token made a session: %v", err)
		}
	})
}

// I7: likewise for each transport that is mounted alone, where _wait makes no poll of a
// request.
func TestI7TokenBeginsNothingAlone(t *testing.T) {
	m := session.New(session.Options{})
	defer m.Shutdown(context.Background())
	for way, h := range map[string]http.Handler{
		"sse":       sse.Handler(m, sse.Options{}),
		"websocket": sockets.Handler(m, sockets.Options{}),
	} {
		id := middleware.Identity{ID: "ann", Client: "tab", Reader: "tab", Link: 7}
		ctx, cancel := context.WithCancel(middleware.NewContext(t.Context(), id))
		cancel() // a stream that begins ends at once
		r := httptest.NewRequestWithContext(ctx, "GET", "/?_wait=25", nil)
		r.Header = http.Header{
			"Connection":            {"Upgrade"},
			"Upgrade":               {"websocket"},
			"Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key":     {"dGhlIHNhbXBsZSBub25jZQ=="},
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 401 {
			t.Errorf("%s: %d %s", way, w.Code, w.Body)
		}
	}
}
