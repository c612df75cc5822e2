package session

import (
	"context"
	"time"

	"github.com/mirage-go/mirage/store"
)

// observed reports whether there is an Observer. What takes time to find out is found out
// only then.
func (m *Manager) observed() bool { return m.o.Observer != nil }

// emit tells the Observer of an event, and logs it if somebody must act on it.
func (m *Manager) emit(e Event) {
	if m.o.Observer != nil {
		m.observe(e)
	}
	if e.Reason != "" {
		m.logEvent(e)
	}
}

// observe calls the Observer, and logs its panic.
func (m *Manager) observe(e Event) {
	defer func() {
		if v := recover(); v != nil {
			m.logPanic("Observer", v, "event", e.Kind.String())
		}
	}()
	m.o.Observer.Observe(e)
}

// trace begins a trace of a call that e describes, if the Observer is a Tracer. done is
// never nil.
func (m *Manager) trace(ctx context.Context, e Event) (traced context.Context, done func(error)) {
	if m.tracer == nil {
		return ctx, func(error) {}
	}
	var end func(error)
	m.call("Observer", func() { traced, end = m.tracer.Start(ctx, e) }, "event", e.Kind.String())
	if traced == nil {
		traced = ctx
	}
	return traced, func(err error) {
		if end != nil {
			m.call("Observer", func() { end(err) }, "event", e.Kind.String())
		}
	}
}

// stopwatch returns the time of the Manager's clock, for since. Without an Observer it
// returns 0, because reading the clock takes time.
func (m *Manager) stopwatch() int64 {
	if !m.observed() {
		return 0
	}
	return m.now()
}

// since returns how long ago a time of stopwatch was.
func (m *Manager) since(began int64) time.Duration {
	if began == 0 {
		return 0
	}
	return time.Duration(m.now() - began)
}

// emitEnded tells the Observer of a session that has ended.
func (m *Manager) emitEnded(ended store.Ended, why string) {
	m.emit(Event{Kind: EventSessionEnded, Session: ended.ID, Reason: why, Messages: len(ended.Messages)})
}

// emitMoved tells the Observer of a session that has another id.
func (m *Manager) emitMoved(from, to string, how store.Moving) {
	why := EndMoved
	if how.Refuse > 0 {
		why = EndBarred
	}
	m.emit(Event{Kind: EventSessionMoved, Session: to, Previous: from, Reason: string(why)})
}

// event returns an Event about a link.
func (l *Link) event(kind EventKind) Event {
	return Event{
		Kind: kind, Session: l.s.id, Reader: l.Hello.Link.Reader, Plain: l.Plain,
		Link: l.Hello.Link.Number, Transport: l.transport,
	}
}

// emitBegan tells the Observer of a link that this node has not carried before.
func (l *Link) emitBegan(continued bool) {
	if !l.s.m.observed() {
		return
	}
	e := l.event(EventLinkBegan)
	switch {
	case continued:
		e.Reason = ReasonContinued
	case l.Hello.Resumed:
		e.Reason = ReasonResumed
	default:
		e.Reason = string(l.Hello.Reason)
		e.From, e.To = l.Hello.Lost.From, l.Hello.Lost.To
	}
	l.s.m.emit(e)
}

// emitClosed tells the Observer of a link that has ended on this node.
func (m *Manager) emitClosed(a *account, told *Closed) {
	why := string(told.End)
	if why == "" {
		why = ReasonLeft
	}
	m.emit(Event{
		Kind: EventLinkEnded, Session: told.ID, Reader: told.Reader, Plain: a.plain, Link: a.link,
		Transport: told.Transport, Reason: why, Duration: told.Duration, Bytes: told.Bytes,
	})
}

// emitSent tells the Observer of messages that Take read after the number after.
func (l *Link) emitSent(after uint64, entries []store.Entry) {
	e := l.event(EventSent)
	e.From, e.To = entries[0].Seq, entries[len(entries)-1].Seq
	for i := range entries {
		if m := entries[i].Message; m != nil {
			e.Messages++
			e.Bytes += int64(len(m.Data))
			if entries[i].Seq <= l.Hello.Sent {
				e.Again++
			}
		}
	}
	if skipped := e.To - after - uint64(len(entries)); skipped > 0 {
		s := l.event(EventSkipped)
		s.From, s.To, s.Messages = after+1, e.To, int(skipped)
		l.s.m.emit(s)
	}
	if e.Messages > 0 {
		l.s.m.emit(e)
	}
}

// emitTopicSent tells the Observer of messages that Take read in a topic.
func (l *Link) emitTopicSent(topic string, entries []store.TopicEntry) {
	if !l.s.m.observed() {
		return
	}
	e := l.event(EventSent)
	e.Topic = topic
	for i := range entries {
		if m := entries[i].Message; m != nil {
			e.Messages++
			e.Bytes += int64(len(m.Data))
			if e.From == 0 {
				e.From = entries[i].Seq
			}
			e.To = max(e.To, entries[i].Seq)
		}
	}
	if e.Messages > 0 {
		l.s.m.emit(e)
	}
}

// emitTopic tells the Observer that a link reads a topic, or does not.
func (l *Link) emitTopic(kind EventKind, topic, why string) {
	if !l.s.m.observed() {
		return
	}
	e := l.event(kind)
	e.Topic, e.Reason = topic, why
	l.s.m.emit(e)
}

// emitLost tells the Observer, and the log, that a reader will never get some messages.
func (m *Manager) emitLost(s *Session, info ReaderInfo, lost store.Lost) {
	m.emit(Event{
		Kind: EventLost, Session: s.id, Reader: info.Reader, Plain: info.Plain, Transport: info.Transport,
		Topic: lost.Topic, From: lost.From, To: lost.To, Reason: string(lost.Reason),
	})
}

// emitAcked tells the Observer that the client of a link has everything up to p.
func (s *Session) emitAcked(ref store.LinkRef, p store.Position) {
	if !s.m.observed() || p.Seq == 0 {
		return
	}
	for l := range s.all() {
		if l.Hello.Link.Number != ref.Number || l.Hello.Position.Epoch != p.Epoch {
			continue
		}
		before := l.account.acked.Load()
		for p.Seq > before && !l.account.acked.CompareAndSwap(before, p.Seq) { // another request of the client
			before = l.account.acked.Load()
		}
		if p.Seq <= before {
			return
		}
		e := l.event(EventAcked)
		e.To, e.Messages, e.Duration = p.Seq, int(p.Seq-before), s.lag.measure(s.m.now(), p.Seq)
		s.m.emit(e)
		return
	}
}

// emitPresented is emitAcked for a position with which a link begins, or a poll continues
// it: what the log has granted, its client has. It does nothing for a nil Link.
func (l *Link) emitPresented(c store.Claim) {
	if l == nil || !l.s.m.observed() || c.Given != store.GivenPresented || c.Position.Epoch != l.Hello.Position.Epoch {
		return
	}
	if c.Link != 0 {
		l.s.emitAcked(l.Hello.Link, c.Position)
		return
	}
	if lag := l.s.lag.measure(l.s.m.now(), c.Position.Seq); lag > 0 {
		e := l.event(EventAcked)
		e.To, e.Duration = c.Position.Seq, lag
		l.s.m.emit(e)
	}
}

// emitRepeated tells the Observer of a message that had been handled before.
func (m *Manager) emitRepeated(s *Session, up *Upstream, n *Numbered) {
	m.emit(Event{
		Kind: EventHandled, Session: s.id, Reader: up.Link.Reader, Writer: up.Writer, To: n.Number,
		Messages: 1, Bytes: int64(len(n.Data)), Reason: ReasonRepeated,
	})
}

// emitRefused tells the Observer of a request that is refused with err.
func (m *Manager) emitRefused(id, reader, transport string, err error) {
	if err != nil {
		m.emit(Event{Kind: EventRefused, Session: id, Reader: reader, Transport: transport, Reason: Reason(err)})
	}
}

// emitAppended completes an Event about a message that was appended, or refused with err,
// and tells the Observer. The step began at that time of the Manager's clock.
func (m *Manager) emitAppended(e Event, msg *store.Message, began int64, err error) {
	e.Kind = EventAppended
	if e.Topic != "" {
		e.Kind = EventPublished
	}
	e.Bytes, e.Duration, e.Reason, e.Err = int64(len(msg.Data)), m.since(began), Reason(err), err
	m.emit(e)
}
