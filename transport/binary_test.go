package transport_test

import (
	"strings"
	"testing"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// W4: a message that is marked as bytes arrives as bytes, in both directions, even if it
// could travel as text.
func TestW4Binary(t *testing.T) {
	var app inbox
	inWorld(t, setup{session: session.Options{OnMessage: app.onMessage}}, func(w *world) {
		tab := w.browser().tab()
		tab.poll("25")
		msg := store.Message{Event: "e", Data: []byte("text"), Binary: true}
		w.sent(w.m.Send(w.Context(), tab.hello.ID, msg))
		const block = "event: e\nencoding: base64\ntype: binary\ndata: dGV4dA==\nid: "
		if a := tab.poll("25"); !strings.HasPrefix(a.body, block) {
			t.Errorf("down: %q", a.body)
		}
		tab.has("text")
		body := frame.AppendUpstream(frame.AppendUp(nil, frame.Up{Writer: tab.cid, Base: 1}), 1, &msg)
		a := tab.b.do("POST", tab.query(""), string(body),
			"Mirage-Link", tab.token(), "Content-Type", "text/event-stream")
		if a.status != 200 || len(app.seen) != 1 ||
			!app.seen[0].Binary || app.seen[0].Event != "e" || string(app.seen[0].Data) != "text" {
			t.Errorf("up: %d, %+v", a.status, app.seen)
		}
	})
}
