package identity_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

// A message is a message that a tab got from the application.
type message struct {
	grant
	n   int // counted for each grant
	all int // the number of a broadcast, which has no grant; 0 otherwise
}

// reading is the state of reading one response or WebSocket.
type reading struct {
	t       *tab
	parser  *frame.Parser
	conn    *ws.Conn
	polls   bool
	fresh   bool  // the first event must be a hello
	left    stamp // when the request left
	greeted bool
	over    *come // the tab's next action, if the link's end says so
}

func (r *reading) all(ctx context.Context, body io.Reader) error {
	buf := make([]byte, 4096)
	for {
		n, err := body.Read(buf)
		r.feed(buf[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *reading) feed(chunk []byte) {
	r.parser.Feed(chunk)
	for {
		e, ok, err := r.parser.Next()
		if err != nil {
			r.t.v.fault("%s cannot read what came: %v", r.t.name, err)
		}
		if err != nil || !ok {
			return
		}
		r.event(e)
	}
}

func (r *reading) event(e frame.Event) {
	t := r.t
	if r.fresh && !r.greeted && e.Name != frame.EventHello {
		t.v.fault("%s: the first event is %q", t.name, e.Name)
	}

	switch e.Name {
	case frame.EventHello:
		r.greeted = true
		t.greet(r, e)
		return
	case frame.EventGap:
		t.mu.Lock()
		t.told = append(t.told, "a gap: "+string(e.Data))
		t.mu.Unlock()
	case frame.EventAck:
		var a answer
		_ = json.Unmarshal(e.Data, &a)
		t.answered(a)
		return
	case frame.EventDrain:
		var d frame.Drain
		_ = json.Unmarshal(e.Data, &d)
		r.over = &come{after: time.Duration(d.Retry) * time.Millisecond}
		t.drop("")
		t.v.note("%s is drained for %v", t.name, r.over.after)
		return
	case frame.EventEnd:
		r.over = &come{stop: http.StatusGone}
		t.mu.Lock()
		t.as = t.hello.ID
		t.mu.Unlock()
		return
	}

	if !e.HasID {
		return
	}
	p, err := store.ParsePosition(e.ID)
	if err != nil {
		t.v.fault("%s: position %q", t.name, e.ID)
		return
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.fresh && t.placed && p.Epoch == t.pos.Epoch && p.Seq <= t.pos.Seq {
		return // a duplicate
	}
	t.pos, t.placed, t.fresh = p, true, false
	if e.Name == "" {
		t.keep(string(e.Data))
	}
}

// greet handles a hello.
func (t *tab) greet(r *reading, e frame.Event) {
	var h frame.Hello
	if err := json.Unmarshal(e.Data, &h); err != nil {
		t.v.fault("%s: hello %q: %v", t.name, e.Data, err)
		return
	}
	p, err := store.ParsePosition(e.ID)
	behind := t.cid == "" && h.Lost != nil && !e.HasID // the position is that of the gap event that follows
	if err != nil && !behind {
		t.v.fault("%s: hello's position %q", t.name, e.ID)
		return
	}

	t.v.heard(t, h)
	of, n := t.v.sent(h.ID, r.left)

	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first.n == 0 {
		t.first = t.v.now()
		t.had = map[grant]int{}
	}
	if _, ok := t.had[of]; !ok {
		t.had[of] = n
	}

	if before := t.hello.ID; before != "" && h.ID != before && h.Previous != before {
		t.kept = nil // handed back to the page
	}
	if h.Lost != nil {
		t.told = append(t.told, fmt.Sprintf("as %s: not resumed (%s), lost %+v", h.ID, h.Reason, *h.Lost))
	}

	switch ahead := t.placed && p.Epoch == t.pos.Epoch && p.Seq > t.pos.Seq; {
	case behind:
		t.fresh = true
	case !t.placed, h.Resumed && ahead, !h.Resumed && h.Reason != string(store.MissingTrimmed):
		t.pos, t.placed = p, true
	}

	if !h.Resumed && len(t.ids) > 0 {
		t.again = true
	}
	for len(t.kept) > 0 && t.kept[0].Number <= h.Accepted && h.Reader == t.hello.Reader {
		t.kept = t.kept[1:]
	}

	t.hello, t.token, t.polls, t.linked, t.tries, t.conn = h, h.Link, r.polls, true, 0, r.conn
	t.ids = append(t.ids, h.ID)
}

// keep notes a message of the application. The caller holds the lock.
func (t *tab) keep(text string) {
	var m message
	if _, err := fmt.Sscanf(text, "all %d", &m.all); err == nil {
		t.got = append(t.got, m)
		return
	}
	g, n, _, ok := parseSecret(text)
	if !ok {
		t.v.note("%s gets %q", t.name, text)
		return
	}
	t.got = append(t.got, message{grant: g, n: n})
}
