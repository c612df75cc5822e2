package identity_test

import (
	"context"
	"sync"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// A way is a tab's kind of link.
type way string

const (
	stream  way = "sse"
	polling way = "poll"
	socket  way = "websocket"
	plain   way = "eventsource" // a page's EventSource without our client
)

// A tab is an honest client object that follows docs/protocol.md.
type tab struct {
	v    *visitor
	name string
	cid  string // "" for a plain client, an EventSource without our script
	dice *dice

	mu      sync.Mutex
	way     way
	cut     context.CancelFunc // ends the link under way
	hello   frame.Hello        // the last
	ids     []string           // of all hellos
	pos     store.Position
	placed  bool // pos is set
	fresh   bool // the next block may have another position
	token   string
	polls   bool   // the token is for polls
	linked  bool   // a hello came, and no end since
	stopped int    // the status at which it stopped; 0 while it goes on
	as      string // the id under which it was told to stop
	tries   int    // failed attempts in a row
	got     []message
	told    []string      // gaps, and hellos with losses
	first   stamp         // of the first hello
	had     map[grant]int // how many messages had been sent for a grant at the first hello with its id

	kept   []session.Numbered // not accepted yet
	number uint64
	acked  store.Position
	again  bool
	conn   *ws.Conn
	asked  chan answer // to the frame under way; nil without one
}

// run links the tab again and again, until ctx ends or it is told to stop.
func (t *tab) run(ctx context.Context) {
	for ctx.Err() == nil {
		one, cancel := context.WithCancel(ctx)
		t.mu.Lock()
		w, over := t.way, t.stopped != 0
		t.cut = cancel
		t.mu.Unlock()
		if over {
			cancel()
			return
		}
		c := t.link(one, w)
		again := one.Err() != nil && ctx.Err() == nil // it was cut to come back at once
		cancel()
		t.mu.Lock()
		t.linked = t.linked && w == polling && t.token != ""
		if c.stop != 0 && !again && t.stopped == 0 {
			t.stopped = c.stop
			t.v.note("%s stops at %d as %q", t.name, c.stop, t.as)
		}
		t.mu.Unlock()
		if !again && !sleep(ctx, c.after) {
			return
		}
	}
}

// reconnect ends the link and begins another one, perhaps of another kind.
func (t *tab) reconnect() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.way != plain {
		t.way = pick(t.dice, stream, polling, socket)
		t.token, t.polls = "", false
	}
	if t.cut != nil {
		t.cut()
	}
}
