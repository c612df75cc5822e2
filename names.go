package mirage

import (
	"context"

	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// A Session is the mailbox of one visitor, as callbacks get it. Its methods are those of
// session.Session: ID, Send, SendTo, Broadcast.
type Session = session.Session

// A Message has an event's name and data. Text and JSON make one. See store.Message.
type Message = store.Message

// A Position is a place in a session's log. See store.Position.
type Position = store.Position

// Incoming is a message from a client, with the names of who sent it. See
// session.Incoming.
type Incoming = session.Incoming

// A Reader is one tab of a visitor, or one program, by the name that SendTo takes. See
// session.ReaderInfo.
type Reader = session.ReaderInfo

// Lost is a range of messages that a reader will never get. See store.Lost.
type Lost = store.Lost

// Ended is a session that is over, with the messages that nobody had. See store.Ended.
type Ended = store.Ended

// Closed is a link that is over. See session.Closed.
type Closed = session.Closed

// An End says why a link is over. Its text is fit for logs. See session.End.
type End = session.End

// Sent is the result of a broadcast. See session.Sent.
type Sent = session.Sent

// A Store keeps the sessions. There are store/memory, the default, and store/redis.
type Store = store.Store

// Overflow says what Send does when a log is full.
type Overflow = store.Overflow

// An Identity is who makes a request. See middleware.Identity.
type Identity = middleware.Identity

// An Error is a refusal with a status of its own: for Generate, Validate and Admit. See
// middleware.Error.
type Error = middleware.Error

// What Send does when a log is full.
const (
	OverflowRefuse     = store.OverflowRefuse     // it returns ErrFull
	OverflowDropOldest = store.OverflowDropOldest // the oldest messages leave, and their readers are told
)

// The errors upon which an application acts. Test for them with errors.Is.
var (
	ErrNotFound  = store.ErrNotFound   // there is no such session, or no such reader
	ErrFull      = store.ErrFull       // the session's log has no room
	ErrTooLarge  = session.ErrTooLarge // the message is larger than Options.MaxMessageSize
	ErrEvent     = store.ErrEvent      // the event's name is reserved or malformed
	ErrBudget    = store.ErrBudget     // Options.Budget is used up
	ErrUncertain = store.ErrUncertain  // the store did not answer: it may have taken place
	ErrClosed    = session.ErrClosed   // after Shutdown
)

// Text returns a message of text without a name: the browser's event "message".
func Text(s string) Message { return store.Text(s) }

// JSON returns a message named event whose data is v as JSON. The error is
// that of json.Marshal.
func JSON(event string, v any) (Message, error) { return store.JSON(event, v) }

// NewContext returns a context with this identity, as Identify makes it: for tests of
// handlers that read ID. A handler that calls Rotate or Logout needs the middleware: wrap
// it in Live.Identify, in its test, too.
func NewContext(ctx context.Context, id Identity) context.Context {
	return middleware.NewContext(ctx, id)
}

// WithValue returns a context in which Value finds v, as callbacks get it: for tests of
// callbacks.
func WithValue(ctx context.Context, v any) context.Context { return session.WithValue(ctx, v) }
