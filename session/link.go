package session

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Attach is a client's request for a link.
type Attach struct {
	ID        string        // the session
	Reader    string        // the client object's name, its _cid; "" for a plain client, which gets a name of ours
	Number    uint64        // the link that this request goes on with, of a poll; 0 begins a new one
	Position  string        // what the client has, as it came; "" for nothing
	Transport string        // for ReaderInfo
	Poll      bool          // the link is carried by one short answer after another: no heartbeat, no acknowledgement timeout
	Life      time.Duration // after which the link ends as Aged; 0 never
	Wake      func()        // called when Take may have something; must not wait. Nil for Next
}

// End says why a link is over. Its text is fit for logs.
type End string

const (
	Aged       End = "aged"       // its life is over: the client comes back at once
	Renewed    End = "renewed"    // Revalidate: the client comes back at once, through the hooks
	Moved      End = "moved"      // the session has a new id: the client comes back at once
	Drained    End = "drained"    // Shutdown: the client comes back after Batch.Retry
	Superseded End = "superseded" // the client is on another link: nothing more to say
	Silent     End = "silent"     // the client acknowledged nothing in time: it is thought dead
	Over       End = "over"       // the session was ended: the client stops
	Barred     End = "revoked"    // the id was revoked: the client stops
)

// A Link is one live transport attachment: a cursor in the session's log and the means to wake whoever writes. One goroutine at a time may
// call Take or Next; everything else is safe for concurrent use. Close it when the transport is done.
type Link struct {
	Hello Attached // what the link's first event tells
	Plain bool

	s         *Session
	transport string
	poll      bool
	rouse     func()
	woken     chan struct{} // for Next; nil with Wake
	beat      time.Duration // jittered
	until     time.Time     // the end of its life, if it has one
	alarm     alarm

	// Owned by whoever calls Take.
	cursor   uint64
	accepted uint64 // the last number told
	awaited  uint64 // the entry whose acknowledgement is waited for; 0 none

	wrote  atomic.Int64 // when Take last had something, Unix nanoseconds
	waits  atomic.Int64 // since when an acknowledgement is waited for; 0 none
	parked atomic.Bool

	mu     sync.Mutex
	end    End
	retry  time.Duration
	closed bool
}

// Batch is what a link has for its client. It is reused from one Take to the next.
type Batch struct {
	Gap      Lost    // told before the entries; zero if there is none
	GapTag   uint32  // of the position after the gap
	Entries  []Entry // shared messages
	Epoch    uint64  // of the gap and the entries
	Accepted uint64  // the writer's last number if it is worth telling, else 0
	Beat     bool    // it is time for a heartbeat
	End      End     // the link is over after this; "" while it is not
	Retry    time.Duration
	More     bool // there is more: call Take again
}

// Empty tells whether there is nothing to write.
func (b *Batch) Empty() bool {
	return len(b.Entries) == 0 && b.Gap == Lost{} && !b.Beat && b.End == ""
}

// takeBytes bounds one batch, so that one write suits a slow client's deadline.
const takeBytes = 64 << 10

// Attach begins a link, and the session with it if there is none; with Number it goes on with one, and never makes a session. See Log.Attach.
func (m *Manager) Attach(ctx context.Context, a Attach) (*Link, error) {
	c := Claim{Reader: a.Reader, Plain: a.Reader == "", Link: a.Number}
	if c.Plain {
		c.Reader = plainName()
	}
	if a.Position != "" {
		p, err := ParsePosition(a.Position)
		c.Position, c.Given = p, Presented
		if err != nil {
			c.Given = Malformed
		}
	}
	for {
		s, err := m.acquire(ctx, a.ID, a.Number == 0)
		if err != nil {
			return nil, err
		}
		s.watch.Do(func() { s.stop = s.log.Watch(s.wake) })
		hello, err := s.log.Attach(ctx, c)
		if err == nil {
			return m.link(ctx, s, a, hello)
		}
		again := over(err) && a.Number == 0 && ctx.Err() == nil
		if again {
			s.die() // it ended since we looked: the next one is new
		}
		m.release(s)
		if !again {
			return nil, err
		}
	}
}

// link makes the Link of an attachment that the log has granted.
func (m *Manager) link(ctx context.Context, s *Session, a Attach, hello Attached) (*Link, error) {
	l := &Link{
		Hello: hello, Plain: a.Reader == "", s: s, transport: a.Transport, poll: a.Poll, rouse: a.Wake,
		cursor: hello.Position.Seq, accepted: hello.Accepted,
	}
	if a.Wake == nil {
		l.woken = make(chan struct{}, 1)
		l.rouse = l.signal
	}
	l.alarm.ring = l.ring
	now := time.Now()
	l.wrote.Store(now.UnixNano())
	if a.Life > 0 {
		l.until = now.Add(a.Life)
	}
	m.mu.Lock()
	closed := m.closed
	if !closed {
		m.work.Add(1)
	}
	m.mu.Unlock()
	if closed {
		_, _ = s.log.Detach(context.WithoutCancel(ctx), hello.Link)
		m.release(s)
		return nil, ErrClosed
	}
	s.add(l)
	if !l.poll {
		l.beat = m.jittered()
		m.wheel.set(&l.alarm, l.due(now))
	}
	info := l.reader()
	if hello.Joined && m.o.OnAttach != nil {
		s.order.do(func() { m.call("OnAttach", func() { m.o.OnAttach(m.ctx, s, info) }) })
	}
	if hello.Fresh && hello.Lost != (Lost{}) && hello.Reason != Trimmed {
		m.gap(s, info, hello.Lost)
	}
	return l, nil
}

// jittered is the heartbeat's interval for one link: ±10 %, so that links do not beat together.
func (m *Manager) jittered() time.Duration {
	d := m.o.Heartbeat
	if d < 0 {
		d = 15 * time.Second // the log still wants a sign of life
	}
	return d - d/10 + rand.N(d/5+1)
}

func (m *Manager) gap(s *Session, info ReaderInfo, lost Lost) {
	if m.o.OnGap != nil {
		m.call("OnGap", func() { m.o.OnGap(m.ctx, s, info, lost) })
	}
}

func (l *Link) reader() ReaderInfo {
	return ReaderInfo{Reader: l.Hello.Link.Reader, Plain: l.Plain, Transport: l.transport}
}

// ID is the mirage id of the link's session.
func (l *Link) ID() string { return l.s.id }

func (l *Link) signal() {
	select {
	case l.woken <- struct{}{}:
	default:
	}
}

func (l *Link) wake() {
	if !l.parked.Load() {
		l.rouse()
	}
}

// Take fills b with everything that waits for the client, without waiting for more: it is Empty if there is nothing. After a Batch with End
// there is only that End. An error is a failure of the store: nothing is lost, and Take may be called again after the next wake.
func (l *Link) Take(ctx context.Context, b *Batch) error {
	*b = Batch{Entries: b.Entries[:0]}
	l.mu.Lock()
	end, retry := l.end, l.retry
	l.mu.Unlock()
	if end == Superseded || end == Silent || end == Over || end == Barred {
		b.End = end
		return nil
	}
	entries, tail, err := l.s.log.Read(ctx, l.Hello.Link, l.cursor, takeBytes, b.Entries)
	if err != nil {
		return l.failed(b, err)
	}
	b.Entries, b.Gap, b.GapTag, b.Epoch, b.More = entries, tail.Gap, tail.Tag, tail.Epoch, tail.More
	if b.Gap != (Lost{}) {
		l.cursor = b.Gap.To
		if !tail.Told {
			l.s.m.gap(l.s, l.reader(), b.Gap)
		}
	}
	if n := len(entries); n > 0 {
		l.cursor = entries[n-1].Seq
	}
	if !tail.More {
		b.End, b.Retry = end, retry
	}
	now := time.Now()
	if l.late(now, tail.Acked) {
		l.finish(Silent)
		b.End = Silent
	}
	b.Beat = b.Empty() && !l.poll && l.s.m.o.Heartbeat > 0 && now.UnixNano()-l.wrote.Load() >= int64(l.beat)
	if !b.Empty() {
		l.wrote.Store(now.UnixNano())
		if b.Beat || tail.Accepted != l.accepted {
			b.Accepted, l.accepted = tail.Accepted, tail.Accepted
		}
	}
	return nil
}

// failed turns the log's refusal into the link's end.
func (l *Link) failed(b *Batch, err error) error {
	switch {
	case errors.Is(err, ErrSuperseded):
		l.finish(Superseded)
	case errors.Is(err, ErrMoved):
		l.finish(Moved)
	case errors.Is(err, ErrRevoked):
		l.finish(Barred)
	case errors.Is(err, ErrNotFound):
		l.finish(Over)
	default:
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b.End, b.Retry = l.end, l.retry
	return nil
}

// late keeps account of what the client has not acknowledged, and tells whether it has left that too long. Each acknowledgement that moves is
// a sign of life, and begins the time anew for what is still missing.
func (l *Link) late(now time.Time, acked uint64) bool {
	if l.poll || l.Plain || l.s.m.o.AckTimeout < 0 {
		return false
	}
	switch {
	case acked >= l.cursor:
		l.awaited = 0
		l.waits.Store(0)
	case l.awaited == 0 || acked >= l.awaited:
		l.awaited = l.cursor
		l.waits.Store(now.UnixNano())
		l.s.m.wheel.sooner(&l.alarm, now.Add(l.s.m.o.AckTimeout))
	default:
		return now.UnixNano()-l.waits.Load() >= int64(l.s.m.o.AckTimeout)
	}
	return false
}

// due is when the link next needs a look after now.
func (l *Link) due(now time.Time) time.Time {
	next := time.Unix(0, l.wrote.Load()).Add(l.beat)
	if !next.After(now) {
		next = now.Add(l.beat)
	}
	if waits := l.waits.Load(); waits != 0 {
		if t := time.Unix(0, waits).Add(l.s.m.o.AckTimeout); t.After(now) && t.Before(next) {
			next = t
		}
	}
	if !l.until.IsZero() && l.until.Before(next) {
		next = l.until
	}
	return next
}

// ring is the alarm's: it wakes the link where something is due.
func (l *Link) ring() {
	if l.parked.Load() {
		l.s.m.spawn(l.Close)
		return
	}
	now := time.Now()
	if !l.until.IsZero() && !now.Before(l.until) {
		l.finish(Aged)
		return
	}
	l.wake()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed { // else Close has cancelled the alarm for good
		l.s.m.wheel.set(&l.alarm, l.due(now))
	}
}

// Drain lets the link end because its server does, and its client come back after retry.
func (l *Link) Drain(retry time.Duration) {
	l.mu.Lock()
	l.retry = retry
	l.mu.Unlock()
	l.finish(Drained)
}

// finish lets the link end; the first reason stays.
func (l *Link) finish(end End) {
	l.mu.Lock()
	if l.end == "" {
		l.end = end
	}
	l.mu.Unlock()
	if l.parked.Load() {
		l.Close()
		return
	}
	l.rouse()
}

// Ack notes that the client has everything up to p, and speaks on this link. See Log.Ack.
func (l *Link) Ack(ctx context.Context, p Position) error { return l.s.log.Ack(ctx, l.Hello.Link, p) }

// Next is Take that waits until there is something, or ctx ends. It is for links without Wake.
func (l *Link) Next(ctx context.Context, b *Batch) error {
	for {
		if err := l.Take(ctx, b); err != nil || !b.Empty() {
			return err
		}
		select {
		case <-l.woken:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Park lets a poll's link live on for d without a request that carries it; then it ends. Take must not be called any more; the request that goes on
// with it gets another Link.
func (l *Link) Park(d time.Duration) {
	l.mu.Lock()
	ended := l.end != ""
	l.parked.Store(true)
	l.mu.Unlock()
	if ended || l.s.dead.Load() {
		l.Close()
		return
	}
	l.s.m.wheel.set(&l.alarm, time.Now().Add(d))
}

// Close ends the link: at the client, who is to be told by the last Batch, and in the log, where ten seconds later its reader is
// reported gone unless it has another link. The second call does nothing.
func (l *Link) Close() { l.close(true) }

// close detaches the link unless another request carries it on.
func (l *Link) close(detach bool) {
	l.mu.Lock()
	again := l.closed
	l.closed = true
	l.mu.Unlock()
	if again {
		return
	}
	m := l.s.m
	l.s.remove(l)
	m.wheel.cancel(&l.alarm)
	if detach {
		m.detach(l)
	}
	m.release(l.s)
	m.work.Done()
}
