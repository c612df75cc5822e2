package downstream

import (
	"context"
	"sync/atomic"

	"github.com/mirage-go/mirage/internal/buffers"
	"github.com/mirage-go/mirage/session"
)

// A Pump takes the queued messages of a link and writes them to an Out in one write,
// whenever the link wakes it. To use it, call NewPump, pass Wake to session.Attach,
// optionally call Greet, and call Start.
type Pump struct {
	run   func() // drain, made once
	state atomic.Uint32

	// Set by Greet and Start, then owned by drain.
	ctx   context.Context
	out   Out
	link  *session.Link
	first []byte // the hello; nil once it is written

	entries atomic.Int64
	end     atomic.Pointer[session.End]
}

// The states of a Pump.
//
//	pumpNew ---Greet---> pumpGreeted ---Start---> pumpRunning
//	   |                      |                        ^
//	   |                     Wake                      |
//	   |                      v                        |
//	   +------Wake-----> pumpWoken ---Start, a drain---+
//
// Greet leads to pumpWoken if the link has more than fits into one batch. Start in
// pumpNew also begins with a drain. If a drain or Greet finds that the link has ended, or
// if its write fails, the state becomes pumpEnded, which is final.
const (
	pumpNew     uint32 = iota
	pumpGreeted        // the client has everything so far
	pumpWoken          // the link may have more
	pumpRunning        // Wake schedules drains
	pumpEnded          // nothing is written any more
)

// NewPump returns a pump that does not run yet.
func NewPump() *Pump {
	p := &Pump{}
	p.run = p.drain
	return p
}

// Wake schedules a drain. Pass it to session.Attach.
func (p *Pump) Wake() {
	for {
		switch s := p.state.Load(); s {
		case pumpRunning:
			p.out.Schedule(p.run)
			return
		case pumpNew, pumpGreeted:
			if p.state.CompareAndSwap(s, pumpWoken) {
				return
			}
		default:
			return
		}
	}
}

// Greet writes hello and the messages that the link already has, in one write on the
// caller's goroutine. If it is used, it must be called before Start, which may then use
// another Out and no first block. live reports whether the link is still live.
func (p *Pump) Greet(ctx context.Context, out Out, link *session.Link, hello []byte) (live bool) {
	p.ctx, p.out, p.link, p.first = ctx, out, link, hello
	s := scratches.Get()
	more := p.write(s)
	s.free()

	if more {
		p.state.CompareAndSwap(pumpNew, pumpWoken)
	} else {
		p.state.CompareAndSwap(pumpNew, pumpGreeted)
	}
	return p.state.Load() != pumpEnded
}

// Start starts the pump. It writes first, then the messages of the link. ctx is for the
// store.
func (p *Pump) Start(ctx context.Context, out Out, link *session.Link, first []byte) {
	p.ctx, p.out, p.link, p.first = ctx, out, link, first
	if before := p.state.Swap(pumpRunning); before != pumpGreeted {
		p.Wake()
	}
}

// Entries returns how many entries of the log were written, including those for other
// readers (of which only the position is written).
func (p *Pump) Entries() int64 { return p.entries.Load() }

// End returns why the link ended, or "" if the client left.
func (p *Pump) End() session.End {
	if end := p.end.Load(); end != nil {
		return *end
	}
	return ""
}

// scratch is the memory that a drain needs. Idle links hold none.
type scratch struct {
	batch session.Batch
	buf   []byte
}

var scratches buffers.Pool[scratch]

func (s *scratch) free() { scratches.Put(s, cap(s.buf)) }

// drain writes until the link has nothing more.
func (p *Pump) drain() {
	s := scratches.Get()
	for more := p.state.Load() == pumpRunning; more; {
		more = p.write(s)
	}
	s.free()
}

// write writes one batch and reports whether there may be more right now.
func (p *Pump) write(s *scratch) (more bool) {
	if err := p.link.Take(p.ctx, &s.batch); err != nil {
		s.batch.DropMessages()
		// A failure of the store: the next wake tries again.
		s.batch = session.Batch{Entries: s.batch.Entries[:0], Topics: s.batch.Topics[:0]}
	}
	s.buf = Append(append(s.buf[:0], p.first...), &s.batch, p.link.Plain)
	if n := len(s.batch.Entries) + len(s.batch.Topics); n > 0 {
		p.entries.Add(int64(n))
	}
	s.batch.DropMessages() // the pooled batch must not keep them in memory
	p.first = nil

	var err error
	if len(s.buf) > 0 {
		err = p.out.Write(s.buf)
		p.link.Wrote(len(s.buf))
	}
	if err == nil && s.batch.End == "" {
		return s.batch.More
	}
	if err == nil {
		end := s.batch.End
		p.end.Store(&end)
	}
	p.state.Store(pumpEnded)
	p.out.Close()
	return false
}
