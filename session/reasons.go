package session

import (
	"context"
	"errors"

	"github.com/mirage-go/mirage/store"
)

// The words for why, beside the Ends and the store.Missings. Each has a row in
// docs/operations.md, section Reasons.
const (
	ReasonResumed   = "resumed"   // a link continues where its client was
	ReasonContinued = "continued" // a poll continues a link that another node has carried
	ReasonLeft      = "left"      // the client left, or its connection failed

	ReasonExpired = "expired" // the retention of a session is over

	ReasonFailed   = "handler-failed"   // OnMessage returned an error
	ReasonPanicked = "handler-panicked" // OnMessage panicked
	ReasonRepeated = "repeated"         // a message came again that had been handled
)

// TransportSend is the Transport of an EventRefused for messages from a client.
const TransportSend = "send"

// HookIdentify is the Hook of an EventHook for what the middleware has decided.
const HookIdentify = "identify"

// errorReasons are the words for errors.
var errorReasons = []struct {
	err  error
	word string
}{
	{ErrInput, "malformed"},
	{store.ErrAhead, "ahead"},
	{store.ErrEvent, "event"},
	{store.ErrKey, "key"},
	{store.ErrTopic, "topic"},
	{store.ErrTopics, "topics"},
	{ErrSettling, "settling"}, // wraps ErrMoved and ErrRevoked
	{store.ErrNotFound, "not-found"},
	{store.ErrSuperseded, "superseded"},
	{store.ErrRenewed, "renewed"},
	{store.ErrMoved, "moved"},
	{store.ErrRevoked, "revoked"},
	{store.ErrRemoved, "removed"},
	{ErrOrder, "order"},
	{ErrTooLarge, "too-large"},
	{store.ErrSealed, "sealed"},
	{ErrRate, "rate"},
	{ErrLinkRate, "link-rate"},
	{store.ErrCrowded, "crowded"},
	{store.ErrFull, "full"},
	{store.ErrBudget, "budget"},
	{ErrBusy, "busy"},
	{ErrClosed, "drained"},
	{store.ErrUnsupported, "unsupported"},
	{store.ErrUncertain, "uncertain"},
	{context.Canceled, "left"},
	{context.DeadlineExceeded, "timeout"},
}

// Reason returns the word for an error of a Manager or a Store: see docs/operations.md,
// section Reasons. It returns "failed" for any other error, and "" for nil.
func Reason(err error) string {
	if err == nil {
		return ""
	}
	for _, r := range errorReasons {
		if errors.Is(err, r.err) {
			return r.word
		}
	}
	return "failed"
}

// Refused tells the Observer that a transport refused a request of the session id for a
// reason of its own, such as a body that is too long. Refusals by Attach and Receive are
// observed without it.
func (m *Manager) Refused(id, transport, reason string) {
	if m.observed() {
		m.emit(Event{Kind: EventRefused, Session: id, Transport: transport, Reason: reason})
	}
}
