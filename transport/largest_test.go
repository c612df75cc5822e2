package transport_test

import (
	"strings"
	"testing"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// W4: with every option at its default, the largest message goes up and comes down on
// both transports, whatever it consists of; one byte more is refused.
func TestW4Largest(t *testing.T) {
	const largest = 64 << 10
	for name, data := range map[string]string{
		"text":  strings.Repeat("x", largest),
		"bytes": strings.Repeat("\xff", largest),
		"CR":    strings.Repeat("\r", largest),
		"lines": strings.Repeat("a line of text\n", largest/15) + "a",
		"LF":    strings.Repeat("\n", largest),
	} {
		t.Run(name, func(t *testing.T) {
			var app inbox
			inWorld(t, setup{session: session.Options{OnMessage: app.onMessage}}, func(w *world) {
				b := w.browser()
				stream, polls := b.tab(), b.tab()
				stream.open()
				polls.poll("25")

				w.send(stream.hello.ID, data)
				polls.poll("25")
				stream.has(data)
				polls.has(data)

				for i, tt := range []struct {
					data   string
					status int
				}{{data, 200}, {data + "x", 413}} {
					msg := store.Message{Event: strings.Repeat("e", store.MaxEvent), Data: []byte(tt.data)}
					up := frame.AppendUp(nil, frame.Up{Writer: stream.cid, Base: 1, Ack: stream.pos.String()})
					body := frame.AppendUpstream(up, uint64(i+1), &msg)
					a := b.do("POST", stream.query(""), string(body),
						"Mirage-Link", stream.token(), "Content-Type", "text/event-stream")
					if a.status != tt.status {
						t.Errorf("%d bytes of body: %d %s", len(body), a.status, a.body)
					}
				}
				app.has(w, data)
			})
		})
	}
}
