package downstream

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// A Pump takes what waits in a link and writes it to a way out, all of it in one write, whenever the link wakes it.
type Pump struct {
	run   func() // drain, made once
	state atomic.Uint32

	// Set by Greet and Start, then owned by drain.
	more  bool // the link has more than was written
	over  bool
	ctx   context.Context
	out   Out
	link  *session.Link
	first []byte // the hello; nil once it is written

	bytes   atomic.Int64
	entries atomic.Int64
	end     atomic.Pointer[session.End]
}

// The states of a Pump.
const (
	fresh  uint32 = iota
	missed        // a wake came before it started
	started
)

// NewPump returns a pump that does not run yet.
func NewPump() *Pump {
	p := &Pump{}
	p.run = p.drain
	return p
}

// Wake is for session.Attach.
func (p *Pump) Wake() {
	if p.state.Load() == fresh && p.state.CompareAndSwap(fresh, missed) || p.state.Load() == missed {
		return
	}
	p.out.Kick(p.run)
}

// Greet writes hello and what the link has already, in one write and on the caller's goroutine. It comes before Start, which may then go on with another way
// out and no first; live is false if there is nothing to go on with.
func (p *Pump) Greet(ctx context.Context, out Out, link *session.Link, hello []byte) (live bool) {
	p.ctx, p.out, p.link, p.first = ctx, out, link, hello
	s := scratches.Get().(*scratch)
	p.more = p.write(s)
	s.free()
	return !p.over
}

// Start lets the pump run: first, then what the link has. ctx is for the store.
func (p *Pump) Start(ctx context.Context, out Out, link *session.Link, first []byte) {
	greeted := p.link != nil
	p.ctx, p.out, p.link, p.first = ctx, out, link, first
	if p.state.Swap(started) == missed || !greeted || p.more {
		p.Wake()
	}
}

// Bytes is how much was written.
func (p *Pump) Bytes() int64 { return p.bytes.Load() }

// Entries is how many places of the log were written, those that are for other readers
// too.
func (p *Pump) Entries() int64 { return p.entries.Load() }

// End is why the link ended; "" if the client left.
func (p *Pump) End() session.End {
	if end := p.end.Load(); end != nil {
		return *end
	}
	return ""
}

// Tell tells the application, by its OnClose, of a link that is over. A panic there would have no request to fail, and end the program: it is logged instead.
func Tell[Closed any](onClose func(Closed), c Closed) {
	defer func() {
		if v := recover(); v != nil {
			slog.Error("mirage: OnClose panicked", "panic", fmt.Sprint(v))
		}
	}()
	onClose(c)
}

// scratch is what a drain needs; idle links hold none.
type scratch struct {
	batch session.Batch
	buf   []byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

const keepBuffer = 128 << 10

func (p *Pump) drain() {
	s := scratches.Get().(*scratch)
	for more := !p.over; more; {
		more = p.write(s)
	}
	s.free()
}

// free lets s be used again.
func (s *scratch) free() {
	if cap(s.buf) <= keepBuffer {
		scratches.Put(s)
	}
}

// write writes one batch and tells whether there may be more at once.
func (p *Pump) write(s *scratch) (more bool) {
	if err := p.link.Take(p.ctx, &s.batch); err != nil {
		s.batch = session.Batch{Entries: s.batch.Entries[:0]} // a failure of the store: the next wake tries again
	}
	s.buf = Append(append(s.buf[:0], p.first...), &s.batch, p.link.Plain)
	if n := len(s.batch.Entries); n > 0 {
		p.entries.Add(int64(n))
	}
	clear(s.batch.Entries) // whoever takes next holds no messages of this one
	p.first = nil
	var err error
	if len(s.buf) > 0 {
		err = p.out.Write(s.buf)
		p.bytes.Add(int64(len(s.buf)))
	}
	if err != nil || s.batch.End != "" {
		if err == nil {
			end := s.batch.End
			p.end.Store(&end)
		}
		p.over = true
		p.out.Close()
	}
	return s.batch.More && !p.over
}

// Append appends the text of a batch.
func Append(dst []byte, b *session.Batch, plain bool) []byte {
	if b.Gap != (store.Lost{}) {
		after := store.Position{Epoch: b.Epoch, Seq: b.Gap.To, Tag: b.GapTag}
		dst = frame.AppendGap(dst, frame.Range(b.Gap), after, string(store.MissingTrimmed))
	}
	dst = frame.AppendEntries(dst, b.Epoch, b.Entries)
	switch {
	case b.Beat && plain:
		dst = frame.AppendBeat(dst)
	case (b.Beat || b.Accepted > 0) && !plain:
		dst = frame.AppendAck(dst, b.Accepted)
	}
	return appendEnd(dst, b, plain)
}

func appendEnd(dst []byte, b *session.Batch, plain bool) []byte {
	switch b.End {
	case session.EndAged, session.EndRenewed, session.EndMoved, session.EndDrained, session.EndCrowded:
		if plain && b.Retry > 0 {
			return frame.AppendRetry(dst, b.Retry)
		}
		if !plain {
			return frame.AppendDrain(dst, b.Retry)
		}
	case session.EndOver:
		return frame.AppendEnd(dst, gone, "the session was ended")
	case session.EndBarred:
		return frame.AppendEnd(dst, gone, "the id was revoked")
	}
	return dst
}
