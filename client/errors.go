package client

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrClosed is returned by methods of a client that has been closed.
var ErrClosed = errors.New("client: closed")

// An Error is why the server, or a gateway in front of it, refused something.
type Error struct {
	// Status is an HTTP status. 0 means that the network failed.
	Status int
	// Detail is text for the developer. It is the server's, unless Gateway is true. Quote
	// it where you show it.
	Detail string
	// Gateway reports whether something in front of the server has answered, such as a
	// proxy, or a log-in form. That says nothing about the session.
	Gateway bool
	// RetryAfter is how long the server asks to wait, or 0.
	RetryAfter time.Duration

	expected uint64 // after 409: the number that must come first
	isEnd    bool   // mirage-end: whatever the status, the client must not come back
}

// Error returns the detail and the status.
func (e *Error) Error() string {
	if e.Status == 0 {
		return "client: " + e.Detail
	}
	return fmt.Sprintf("client: %s (status %d)", e.Detail, e.Status)
}

// A LostError says that messages are lost: the client will never get them.
type LostError struct {
	Topic    string // "" for the messages of the session
	From, To uint64 // the numbers that are missing, inclusive. To is 0 if the server does not know it
	// Reason is the server's word for why: trimmed, expired, restarted, moved and others
	// of docs/protocol.md.
	Reason string
}

// Error says what is lost.
func (e *LostError) Error() string {
	of, to := "", "the last"
	if e.Topic != "" {
		of = fmt.Sprintf(" of %q", e.Topic)
	}
	if e.To != 0 {
		to = fmt.Sprint(e.To)
	}
	return fmt.Sprintf("client: messages %d to %s%s are lost: %.40q", e.From, to, of, e.Reason)
}

// A ReturnedError returns messages of Send that the server will not get from this client,
// or whose handler failed.
type ReturnedError struct {
	Messages []Message
	// ID is the id under which they were sent.
	ID string
	// Err is why: often an *Error. Its Status is 409 if the visitor has another id now,
	// and 500 if the handler has failed.
	Err error
}

// Error says how many messages were returned, and why.
func (e *ReturnedError) Error() string {
	return fmt.Sprintf("client: %d messages were not delivered: %v", len(e.Messages), e.Err)
}

// Unwrap returns Err.
func (e *ReturnedError) Unwrap() error { return e.Err }

// isFinal reports whether the client must not come back after an answer to a GET. Another
// answer to a POST is final only if it is the server's.
func (e *Error) isFinal() bool {
	if e.isEnd {
		return true
	}
	switch e.Status {
	case 405, 413, 415: // no GET of this kind will be answered in another way, whoever says so
		return true
	case 204, 400, 403, 410:
		return !e.Gateway
	}
	return false
}

// isUnfit reports whether a message of the request is the reason.
func (e *Error) isUnfit() bool {
	return e.Status == 413 || !e.Gateway && (e.Status == 400 || e.Status == 415)
}

// isOther reports whether another transport may work where this one was refused.
func (e *Error) isOther() bool { return e.Status == 426 || e.Status == 501 }

// isForeign reports whether a gateway refused. That may pass, but not soon.
func (e *Error) isForeign() bool { return e.Gateway && e.Status < 500 }

// asError returns err as an *Error. One that is none is a failure of the network.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Detail: shorten(strings.TrimPrefix(err.Error(), "client: "))}
}

// The reasons for which the client itself ends a link.
var (
	errReplaced = errors.New("client: another link has replaced it")
	errDropped  = errors.New("client: not needed any more")
	errSilence  = errors.New("client: the server is silent")
	errEnded    = errors.New("client: the link has ended")
	errNoHello  = errors.New("client: the answer ends before its hello")
	errNoAnswer = errors.New("client: the server has not answered a message")
)
