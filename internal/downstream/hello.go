package downstream

import (
	"time"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// Hello returns the first block of a link. For a plain client, which ignores that block,
// it adds a second one with the lost range. life is how long the link lives at most.
// A heartbeat that is not positive means none. retry is the delay of a browser's own
// reconnect; 0 leaves it to the browser.
func Hello(id middleware.Identity, link *session.Link, life, heartbeat, retry time.Duration) []byte {
	a := &link.Hello
	h := frame.Hello{
		ID: id.ID, Previous: id.Previous, Mirage: id.Signed,
		Reader: a.Link.Reader, Link: id.LinkToken(a.Link.Reader, a.Link.Number, life),
		Resumed: a.Resumed, Reason: string(a.Reason), Sent: a.Sent, Accepted: a.Accepted,
		Heartbeat: max(0, heartbeat).Milliseconds(),
	}
	if h.Previous == "" {
		h.Previous = a.Previous
	}

	var presented []byte
	for _, p := range link.Presented() {
		presented, _ = p.AppendText(presented) // the error is always nil
	}
	dst := make([]byte, 0, 640)
	if a.Lost.IsZero() {
		return frame.AppendHello(dst, a.Position, retry, &h, presented)
	}

	lost := frame.RangeOf(a.Lost)
	h.Lost = &lost
	// The log itself reports trimmed messages to each reader, when the reader gets there.
	if !link.Plain || a.Reason == store.MissingTrimmed {
		return frame.AppendHello(dst, a.Position, retry, &h, presented)
	}
	return frame.AppendHelloAndGap(dst, a.Position, retry, &h, presented)
}
