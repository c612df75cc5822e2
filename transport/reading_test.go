package transport_test

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/mirage-go/mirage/internal/cid"
	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

// reading is one answer on its way to a peer.
type reading struct {
	p       *peer
	at      store.Position // presented, then the last one of this answer
	begun   bool           // hello has come
	returns bool           // the client had a hello before: this link must resume
	polls   bool           // a poll's
	socket  *wire          // of a WebSocket
}

func (r *reading) all(body io.Reader) error {
	for e, err := range frame.NewParser(2 << 20).All(body) {
		if err != nil {
			return err
		}
		r.take(e)
	}
	return nil
}

func (r *reading) take(e frame.Event) {
	at := r.at
	if e.HasID {
		var err error
		if at, err = store.ParsePosition(e.ID); err != nil {
			r.p.fault("id %q", e.ID)
		}
	}
	switch {
	case !r.begun:
		r.first(e, at)
	case e.Name == frame.EventAck && r.socket != nil && bytes.Contains(e.Data, []byte(`"status"`)):
		r.socket.answers <- bytes.Clone(e.Data)
	case e.Name == frame.EventAck, e.Name == frame.EventDrain: // nothing to check: POST's answer says it, too
	case len(e.Name) >= len(frame.EventHello) && e.Name[:len(frame.EventHello)] == frame.EventHello:
		r.p.fault("unexpected %s: %s", e.Name, e.Data)
	default:
		r.message(e, at)
	}
	r.at = at
}

// first takes the first event, which must be hello.
func (r *reading) first(e frame.Event, at store.Position) {
	r.begun = true
	if e.Name != frame.EventHello {
		r.p.fault("the first event is %q", e.Name)
		return
	}

	var h frame.Hello
	if err := json.Unmarshal(e.Data, &h); err != nil {
		r.p.fault("hello %s: %v", e.Data, err)
	}

	p := r.p
	p.mu.Lock()
	has := p.pos
	p.mu.Unlock()
	if r.returns && (!h.Resumed || h.Lost != nil || at.Epoch != has.Epoch || at.Seq > has.Seq) {
		r.p.fault("came back with %v, has %v, hello %s at %v", r.at, has, e.Data, at)
	}

	p.mu.Lock()
	strange := p.hellos > 0 && (h.ID != p.hello.ID || h.Reader != cid.Name(p.cid))
	p.hello, p.socket = h, r.socket
	if r.polls {
		p.polls = h.Link
	}
	if p.hellos++; p.hellos == 1 {
		p.pos = at
	}
	p.changed()
	p.mu.Unlock()

	if strange {
		p.fault("hello is for somebody else: %s", e.Data)
	}
}

// message takes a message. The numbers of a link grow, and the next one that the client
// does not have is one more than the last that it has. What it has, another link has
// brought.
func (r *reading) message(e frame.Event, at store.Position) {
	p := r.p
	p.mu.Lock()
	has := p.pos
	p.mu.Unlock()
	if !e.HasID || at.Epoch != has.Epoch || at.Seq <= r.at.Seq || at.Seq > has.Seq+1 {
		p.fault("after %v comes %v, the client has %v: %.40q", r.at, at, has, e.Data)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.Seq <= p.pos.Seq {
		p.twice++
		return
	}
	p.pos = at
	p.got = append(p.got, string(e.Data))
	p.changed()
}

func readerOf(b []byte) io.Reader { return bytes.NewReader(b) }
