package session

import (
	"context"
	"time"
)

// An Observer is told what happens on this node: for metrics, traces, and a picture of
// one session. Package observe/prometheus, package observe/otel and package inspect have
// Observers.
//
// Observe is called concurrently and at once, while no lock is held. It must be quick and
// must not wait for a Manager. It may call Stats. It never gets payloads or signed
// values, but it gets ids in full: do not log them (see LogID). A Manager without an
// Observer pays nothing for it.
type Observer interface{ Observe(Event) }

// A Tracer is an Observer that follows one call. Start is called before Send, Publish and
// OnMessage, with an Event of kind EventAppended, EventPublished or EventHandled that is
// not complete yet. The call gets the context that Start returns. done is called with the
// error of the call. The Event is observed, too.
type Tracer interface {
	Observer
	Start(ctx context.Context, e Event) (traced context.Context, done func(err error))
}

// Observers returns an Observer that tells all of them, in this order. It is a Tracer if
// one of them is. Nil Observers are left out.
func Observers(all ...Observer) Observer {
	var some observers
	traced := false
	for _, o := range all {
		if o == nil {
			continue
		}
		some = append(some, o)
		_, ok := o.(Tracer)
		traced = traced || ok
	}
	switch {
	case len(some) == 0:
		return nil
	case len(some) == 1:
		return some[0]
	case traced:
		return tracers{some}
	}
	return some
}

type observers []Observer

func (all observers) Observe(e Event) {
	for _, o := range all {
		o.Observe(e)
	}
}

type tracers struct{ observers }

func (all tracers) Start(ctx context.Context, e Event) (context.Context, func(error)) {
	var ends []func(error)
	for _, o := range all.observers {
		if t, ok := o.(Tracer); ok {
			next, done := t.Start(ctx, e)
			ctx, ends = next, append(ends, done)
		}
	}
	return ctx, func(err error) {
		for i := len(ends) - 1; i >= 0; i-- {
			ends[i](err)
		}
	}
}

// An Event is one thing that happened. The comment of its Kind lists the fields that it
// has. All others are zero.
type Event struct {
	Kind EventKind

	Session   string // the mirage id
	Previous  string // the id that the session had until then
	Reader    string // the reader's name
	Plain     bool   // the reader acknowledges nothing
	Writer    string // the writer's name; "" for an unnumbered message
	Link      uint64 // the number of the link, unique in its session
	Transport string // of the link: "sse", "poll", "websocket"
	Topic     string // the topic; "" for the log of the session
	Hook      string // the name of a hook, as in Options
	Trace     string // the client's trace context, as a W3C traceparent; "" for none

	// Reason is the word for why: see docs/operations.md, section Reasons. It is one of a
	// few dozen words, so it is fit for a label of a metric.
	Reason string

	From, To uint64 // the numbers of the first and last message; To is 0 if that is not known
	Messages int    // how many messages
	Again    int    // how many of them were sent to a reader of the session before
	Bytes    int64  // the sum of the lengths of their data; of a link, what was written to the client
	Duration time.Duration
	Err      error // what a handler or hook returned; for spans, not for labels
}

// EventKind says what happened.
type EventKind uint8

// The kinds of events, with the fields that they have beside Kind. Messages of the
// session that were superseded or expired before a link got there are in no event but
// EventSkipped.
const (
	// EventSessionOpened is for each new session: Session.
	EventSessionOpened EventKind = iota + 1
	// EventSessionEnded is for each session that this node ended: Session, Reason, and
	// Messages that no reader received. Reason is "expired", "over", "revoked" or "left".
	EventSessionEnded
	// EventSessionMoved is for a session that has another id: Session, Previous, Reason.
	// Reason is "moved", or "revoked" if Rotate revoked the previous id.
	EventSessionMoved

	// EventLinkBegan is for each new link: Session, Reader, Plain, Link, Transport.
	// Reason is the verdict about the client's position: "resumed", or a store.Missing.
	// From and To are what is lost, if something is. Polls that continue a link are not
	// new ones.
	EventLinkBegan
	// EventLinkEnded is for each link that has ended on this node: Session, Reader,
	// Plain, Link, Transport, Duration, Bytes. Reason is an End, or "left" if the client
	// left or its connection failed.
	EventLinkEnded

	// EventAppended is for each message in a session's log: Session, Reader if it is for
	// one reader alone, To, Bytes, Duration of the step. With a Reason and Err, the
	// message was refused. For a Broadcast to sessions it has Messages, the number of
	// sessions, and no Session.
	EventAppended
	// EventSent is for messages that a link took to write them to its client: Session,
	// Reader, Link, Transport, From, To, Messages, Again, Bytes. Messages counts those
	// for this reader. With a Topic, Again is 0.
	EventSent
	// EventSkipped is for messages that a link passed over because they were superseded
	// or had expired: Session, Reader, Link, Transport, From, To, Messages.
	EventSkipped
	// EventAcked is for messages that a client acknowledged: Session, Reader, Link, To,
	// and Messages since the last acknowledgement on this link. Duration is the lag: the
	// time since the message To or one before it was appended on this node. It is
	// measured for one message of a session at a time, and 0 otherwise.
	EventAcked
	// EventLost is for messages that a reader will never get, once for each gap that it
	// is told: Session, Reader, Plain, Transport, Topic, From, To, Reason.
	EventLost

	// EventHandled is for each message from a client: Session, Reader, Writer, To (its
	// number), Bytes, Trace, Duration of OnMessage. Reason is "" if it was handled,
	// "handler-failed" or "handler-panicked" with Err, or "repeated" if it had been
	// handled before, with Messages.
	EventHandled

	// EventPublished is for each message in a topic: Topic, To, Bytes, Duration of the
	// step. With a Reason and Err, the message was refused.
	EventPublished
	// EventJoined is for each link that reads a topic: Session, Reader, Link, Transport,
	// Topic.
	EventJoined
	// EventLeft is for each link that does not read a topic any more, although it goes
	// on, and for each refused join: Session, Reader, Link, Transport, Topic, Reason.
	EventLeft

	// EventHook is for each call of OnJoin, and for each outcome of the middleware that
	// is not simply an id that was accepted: Hook, Reason. OnJoin also has Session,
	// Reader, Topic, Duration and Err, and its Reason is "" if it accepted. HookIdentify
	// stands for the middleware. Its Reason is a word of middleware.Options.Count.
	EventHook
	// EventRefused is for each request that a transport refused: Session, Reader,
	// Transport, Reason. Transport is "send" for messages from a client.
	EventRefused
)

// kinds are the texts of the EventKinds.
var kinds = [...]string{
	EventSessionOpened: "session-opened",
	EventSessionEnded:  "session-ended",
	EventSessionMoved:  "session-moved",
	EventLinkBegan:     "link-began",
	EventLinkEnded:     "link-ended",
	EventAppended:      "appended",
	EventSent:          "sent",
	EventSkipped:       "skipped",
	EventAcked:         "acked",
	EventLost:          "lost",
	EventHandled:       "handled",
	EventPublished:     "published",
	EventJoined:        "joined",
	EventLeft:          "left",
	EventHook:          "hook",
	EventRefused:       "refused",
}

// String returns the kind's name, such as "link-began". It is fit for a label of a
// metric.
func (k EventKind) String() string {
	if int(k) < len(kinds) {
		return kinds[k]
	}
	return ""
}
