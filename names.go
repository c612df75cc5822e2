package mirage

import (
	"context"

	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// What an application names. The packages in which these types are defined
// have their methods.
type (
	Session  = session.Session    // the mailbox of one visitor, as callbacks get it
	Message  = store.Message      // an event's name, and data
	Position = store.Position     // a place in a session's log
	Incoming = session.Incoming   // a message from a client
	Reader   = session.ReaderInfo // one tab of a visitor
	Lost     = store.Lost         // messages that a reader will never get
	Ended    = store.Ended        // a session that is over, with what nobody had
	Closed   = session.Closed     // a link that is over
	End      = session.End        // why a link is over
	Sent     = session.Sent       // the result of a broadcast
	Store    = store.Store        // where sessions are kept
	Overflow = store.Overflow     // what Send does when a log is full
	Identity = middleware.Identity
	Error    = middleware.Error // a refusal with a status, for Generate, Validate and Admit
)

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

// NewContext returns a context with this identity, as Identify makes it: for
// tests of handlers.
func NewContext(ctx context.Context, id Identity) context.Context {
	return middleware.NewContext(ctx, id)
}
