package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/store"
)

// Attach is a client's request for a link.
type Attach struct {
	ID         string         // the session's mirage id
	Asked      store.Asked    // about the request; the zero Asked stands for the application itself
	Reader     string         // the client object's name; "" for a plain client, which gets a random one
	Number     uint64         // the link that a poll continues; 0 begins a new one
	Position   string         // the positions that the client presents, as text; "" for none
	Topics     []TopicRequest // what the client of a new link wants to read, besides its session's log
	Transport  string         // for ReaderInfo and Closed
	RemoteAddr string         // of the request, for Closed
	Value      any            // of the request, for the callbacks: see Value
	Poll       bool           // one short response after another carries the link: no heartbeat, no AckTimeout
	Life       time.Duration  // after which the link ends with EndAged; 0 means never
	Wake       func()         // called when Take may have something; must not block. Nil if Next is used

	topics []store.TopicPosition // of Position
}

// maxPosition is the longest text of a position in a session's log, in bytes.
const maxPosition = 64

// splitPositions splits the text of a client's positions into that of its session, which
// may be empty, and those of its topics.
func splitPositions(text string) (session string, topics []store.TopicPosition, err error) {
	if len(text) > store.MaxPositions {
		return "", nil, ErrInput
	}
	session, topics = store.SplitPositions(text)
	if len(session) > maxPosition {
		return "", nil, ErrInput
	}
	return session, topics, nil
}

// A Link is one live transport attachment: a cursor in the session's log, and the means
// to wake the goroutine that writes to the client. One goroutine at a time may call Take
// or Next. All other methods are safe for concurrent use. Close the Link when the
// transport is done.
type Link struct {
	// The fields that every message needs come first, next to Hello.Link.

	Plain  bool // the client acknowledges nothing, so it has no AckTimeout; it does not see heartbeats
	poll   bool
	tag    uint32 // of the position at cursor; owned by the goroutine that calls Take
	end    linkEnd
	onWake func()
	s      *Session
	next   atomic.Pointer[Link] // the next older link of the session
	wrote  atomic.Int64         // when Take last had something, on the Manager's clock
	waits  atomic.Int64         // since when an acknowledgement is missing; 0 if none is
	topics atomic.Pointer[linkTopics]
	beat   time.Duration // interval of the heartbeat, jittered

	// Owned by the goroutine that calls Take.
	cursor   uint64
	accepted uint64 // the last number that the client was told
	acked    uint64 // what the client had acknowledged when waits began

	Hello store.Attached // the content of the link's first event

	transport string
	value     any
	account   *account      // nil without OnClose and Observer
	woken     chan struct{} // for Next; nil with Wake
	until     int64         // the end of its life on the Manager's clock; 0 if it has none
	goodbye   atomic.Bool   // its client has said that it does not come back
	alarm     alarm
}

// Attach begins a link, and makes the session if there is none. With Number it continues
// a link, and never makes a session. See store.Log.Attach. The error is store.ErrCrowded
// if the session has too many links, and ErrLinkRate if it begins them too fast: see
// Options.MaxLinks and LinkRate. It is store.ErrBudget if there is no memory for the
// session or reader. With Number, it is store.ErrNotFound or store.ErrSuperseded if the
// link cannot be continued. For a new link, it is ErrSettling if the id was revoked or
// moved after the request came. The client then comes back, and its id is checked again.
func (m *Manager) Attach(ctx context.Context, a Attach) (l *Link, err error) {
	defer func() { m.emitRefused(a.ID, a.Reader, a.Transport, err) }()
	if !m.enter() {
		return nil, ErrClosed
	}
	defer m.work.Done()

	c := store.Claim{Reader: a.Reader, Plain: a.Reader == "", Link: a.Number, Asked: a.Asked}
	if c.Plain {
		c.Reader = plainName()
	}
	text, topics, err := splitPositions(a.Position)
	if err == nil && text != "" {
		c.Given = store.GivenPresented
		c.Position, err = store.ParsePosition(text)
	}
	if err != nil {
		c.Given = store.GivenMalformed
	}
	a.topics = topics

	if a.Number != 0 {
		return m.continueLink(ctx, a, c)
	}
	return m.beginLink(ctx, a, c)
}

// beginLink begins a new link, and makes the session if there is none. What this node
// knows of the session may be out of date, so only a log that was just looked up decides.
func (m *Manager) beginLink(ctx context.Context, a Attach, c store.Claim) (*Link, error) {
	acquire := m.acquire
	for fresh := false; ; fresh = true {
		s, err := acquire(ctx, a.ID, opening{asked: a.Asked, create: true, value: a.Value})
		if err != nil {
			return nil, asSettling(err)
		}
		if s.begun.take(m.now(), m.o.LinkRate, m.o.LinkBurst) > 0 {
			m.local.release(s)
			return nil, ErrLinkRate
		}
		s.watchLog()
		hello, err := s.log.Attach(context.WithoutCancel(ctx), c) // or a granted link could be lost
		if err == nil {
			l, err := m.newLink(ctx, s, a, hello, nil)
			l.emitPresented(c)
			return l, err
		}
		m.local.release(s)

		ended := errors.Is(err, store.ErrNotFound) // since it was looked up
		if !isOver(err) || fresh && !ended || ctx.Err() != nil {
			return nil, asSettling(err)
		}
		acquire = m.acquireFresh
	}
}

// asSettling returns ErrSettling if err refuses a request because its id was moved or
// revoked: Resolve and the hooks must check the id again. It returns other errors as they
// are.
func asSettling(err error) error {
	if errors.Is(err, store.ErrMoved) || errors.Is(err, store.ErrRevoked) {
		return fmt.Errorf("%w: %w", ErrSettling, err)
	}
	return err
}

// continueLink continues a link that exists.
func (m *Manager) continueLink(ctx context.Context, a Attach, c store.Claim) (*Link, error) {
	s, err := m.acquire(ctx, a.ID, opening{asked: a.Asked})
	if err != nil {
		return nil, err
	}

	s.watchLog()
	held := s.holdAccount(a.Number)
	steady := context.WithoutCancel(ctx) // or a granted link could be lost
	hello, err := s.log.Attach(steady, c)
	if isOver(err) { // the link may live on in the session that follows
		again := func(log store.Log) (store.Attached, error) { return log.Attach(steady, c) }
		if next, now, no := retryOnSuccessor(ctx, s, again); no == nil {
			m.local.release(s)
			s, hello, err = next, now, nil
			s.watchLog()
		}
	}

	if err != nil {
		m.local.release(s)
		held.release(m)
		return nil, err
	}
	l, err := m.newLink(ctx, s, a, hello, held)
	l.emitPresented(c)
	return l, err
}

// newLink makes the Link of an attachment that the log has granted. held is the account
// that it continues, or nil.
func (m *Manager) newLink(
	ctx context.Context, s *Session, a Attach, hello store.Attached, held *account,
) (*Link, error) {
	l := &Link{
		Hello: hello, Plain: isPlain(hello.Link.Reader), s: s, transport: a.Transport, value: a.Value, poll: a.Poll,
		onWake: a.Wake, cursor: hello.Position.Seq, tag: hello.Position.Tag, accepted: hello.Accepted,
	}
	if a.Wake == nil {
		l.woken = make(chan struct{}, 1)
		l.onWake = l.signal
	}
	l.alarm.ring = l.ring
	now := m.now()
	l.wrote.Store(now)
	if a.Life > 0 {
		l.until = now + int64(min(a.Life, forever))
	}

	if !m.enter() {
		_, _ = s.log.Detach(context.WithoutCancel(ctx), hello.Link)
		m.local.release(s)
		held.release(m)
		return nil, ErrClosed
	}
	l.openAccount(held, a.RemoteAddr)
	if held == nil {
		l.emitBegan(a.Number != 0)
	}
	if len(a.topics) > 0 {
		l.present(a.topics)
	}
	s.add(l)
	if !m.isOpen() { // Shutdown began meanwhile, and may wait for the link without having drained it
		l.Drain(rand.N(time.Second))
	}

	if !l.poll {
		l.beat = m.jittered()
		if !l.Plain { // the first one soon: it proves to the client that no proxy buffers the stream
			l.wrote.Add(int64(min(firstBeat, l.beat) - l.beat))
		}
		m.clock.set(&l.alarm, l.due(now))
	}

	if len(a.Topics) > 0 && a.Number == 0 { // a poll that repeats its URL would be told again each time
		m.requestTopics(m.newAsker(ctx, s, hello.Link, a.Value), a.Topics)
	}
	info := l.reader()
	if hello.Joined {
		s.order.do(func() { m.callOnAttach(s, info, l.value) })
	}
	lost := hello.Lost
	lost.Reason = hello.Reason
	switch {
	case lost.IsZero(), hello.Reason == store.MissingTrimmed: // Take tells
	case hello.Fresh:
		m.callOnGap(s, info, l.value, lost)
	case hello.Reason == store.MissingDiverged, hello.Reason == store.MissingAhead:
		m.emitLost(s, info, lost) // each time that the client presents it
	}
	return l, nil
}

func (m *Manager) callOnAttach(s *Session, info ReaderInfo, value any) {
	if m.o.OnAttach != nil {
		m.call("OnAttach", func() { m.o.OnAttach(m.callbackContext(value), s, info) }, s.logAttrs(info)...)
	}
}

func (m *Manager) callOnGap(s *Session, info ReaderInfo, value any, lost store.Lost) {
	m.emitLost(s, info, lost)
	if m.o.OnGap != nil {
		m.call("OnGap", func() { m.o.OnGap(m.callbackContext(value), s, info, lost) }, s.logAttrs(info)...)
	}
}

func (l *Link) reader() ReaderInfo {
	return ReaderInfo{Reader: l.Hello.Link.Reader, Plain: l.Plain, Transport: l.transport}
}

// ID returns the mirage id of the link's session.
func (l *Link) ID() string { return l.s.id }

func (l *Link) wake() {
	if l.end.state() != linkParked {
		l.onWake()
	}
}

// Ack records that the client has everything up to p, and uses this link. See
// store.Log.Ack.
func (l *Link) Ack(ctx context.Context, p store.Position) error {
	err := l.s.log.Ack(ctx, l.Hello.Link, p)
	if err == nil {
		l.s.emitAcked(l.Hello.Link, p)
	}
	return err
}
