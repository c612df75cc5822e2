package mirage

import (
	"context"

	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/transport"
)

// A Session is the mailbox of one visitor, as passed to callbacks. Its methods are ID,
// Send, SendTo and Broadcast. See session.Session.
type Session = session.Session

// A Message is an event name and data. Create one with Text or JSON. See store.Message.
type Message = store.Message

// A Position is a place in a session's log. See store.Position.
type Position = store.Position

// A Topic is a named log that many sessions read. See session.Topic.
type Topic = session.Topic

// TopicOptions say what a topic retains. See session.TopicOptions.
type TopicOptions = session.TopicOptions

// A TopicPosition is a place in a topic. See store.TopicPosition.
type TopicPosition = store.TopicPosition

// A TopicWriter appends to a growing message. See session.TopicWriter.
type TopicWriter = session.TopicWriter

// A Join is a client's wish to read a topic. See session.Join.
type Join = session.Join

// From says where a member begins to read a topic: FromNow, FromStart or After.
type From = session.From

// History is what a topic retains. See session.History.
type History = session.History

// Published is a message that a topic retains. See session.Published.
type Published = session.Published

// A Member is a session that is present in a topic. See session.Member.
type Member = session.Member

// Where a member begins to read a topic.
var (
	FromNow   = session.FromNow   // with the next message
	FromStart = session.FromStart // with everything that the topic retains
)

// After begins after a position, which Topic.Position returned. See session.After.
func After(at TopicPosition) From { return session.After(at) }

// Incoming is a message from a client, with the names of its sender. See
// session.Incoming.
type Incoming = session.Incoming

// A Reader is one tab of a visitor, or one program. Its name is the one that SendTo
// takes. See session.ReaderInfo.
type Reader = session.ReaderInfo

// Lost is a range of messages that a reader will never get. See store.Lost.
type Lost = store.Lost

// Ended is a session that has ended, with the messages that no tab received. See
// store.Ended.
type Ended = store.Ended

// Closed is a link that has ended. See session.Closed.
type Closed = session.Closed

// An End is the reason why a link ended. Its text is fit for logs. See session.End.
type End = session.End

// Sent is the result of a broadcast. See session.Sent.
type Sent = session.Sent

// A Store keeps the sessions. The implementations are store/memory, the default, and
// store/redis.
type Store = store.Store

// Overflow says what Send does when a log is full.
type Overflow = store.Overflow

// An Identity describes the visitor who makes a request. See middleware.Identity.
type Identity = middleware.Identity

// An Error is a refusal with its own HTTP status. Generate, Validate and Admit may return
// one. See middleware.Error.
type Error = middleware.Error

// The values of Overflow.
const (
	OverflowRefuse     = store.OverflowRefuse     // Send returns ErrFull
	OverflowDropOldest = store.OverflowDropOldest // Send drops the oldest messages; their readers are told
)

// The errors that an application may handle. Test for them with errors.Is.
var (
	ErrNotFound    = store.ErrNotFound    // there is no such session, or no such reader
	ErrFull        = store.ErrFull        // the session's log, or Options.Budget, has no room for the message
	ErrTooLarge    = session.ErrTooLarge  // the message is larger than Options.MaxMessageSize
	ErrEvent       = store.ErrEvent       // the event's name is reserved or malformed
	ErrBudget      = store.ErrBudget      // Options.Budget is used up
	ErrTopic       = store.ErrTopic       // the topic's name is not allowed
	ErrTopics      = store.ErrTopics      // a tab would read more than 64 topics
	ErrKey         = store.ErrKey         // the message's Key or TTL is not allowed
	ErrSealed      = store.ErrSealed      // the growing message is complete
	ErrUnsupported = store.ErrUnsupported // the Store has no topics, or no messages with Key or TTL
	ErrUncertain   = store.ErrUncertain   // the store did not answer: the operation may have taken place
	ErrClosed      = session.ErrClosed    // after Shutdown
)

// Text returns a message of text without an event name. Browsers deliver it as the event
// "message".
func Text(s string) Message { return store.Text(s) }

// JSON returns a message with the event name event and v, encoded as JSON, as its data.
// The error wraps that of json.Marshal. The name is checked when the message is sent
// (ErrEvent).
func JSON(event string, v any) (Message, error) { return store.JSON(event, v) }

// ScriptURL returns the address of this very version of the browser client, for pages
// that the server renders, as in ScriptURL("/live/mirage.js"). Browsers do not revalidate
// it. See transport.ScriptURL.
func ScriptURL(path string) string { return transport.ScriptURL(path) }

// NewContext returns a context with this identity, like the one that Identify creates.
// Use it to test handlers that read ID. A handler that calls Rotate or Logout needs the
// middleware: wrap it in Live.Identify in its tests, too.
func NewContext(ctx context.Context, id Identity) context.Context {
	return middleware.NewContext(ctx, id)
}

// WithValue returns a context in which Value finds v. Use it to test callbacks.
func WithValue(ctx context.Context, v any) context.Context { return session.WithValue(ctx, v) }

// An Observer is told what happens, for Options.Observer. See session.Observer.
type Observer = session.Observer

// An Event is one thing that happened. See session.Event.
type Event = session.Event

// Observers returns an Observer that tells all of them. See session.Observers.
func Observers(all ...Observer) Observer { return session.Observers(all...) }

// Stats are counts at one moment, on this node. See session.Stats.
type Stats = session.Stats

// LogID returns a short name for an id that is fit for logs. See session.LogID.
func LogID(id string) string { return session.LogID(id) }
