package session

import (
	"context"
	"log/slog"
	"time"

	"github.com/mirage-go/mirage/store"
)

// Options configure a Manager. The zero value is ready to use: it keeps bounded sessions
// in memory. A negative number is valid only where its field says so. Otherwise New
// panics.
//
// The callbacks OnOpen, OnAttach and OnDetach of one session never run at the same time
// on one node. The others may run at any time, and concurrently. All may use the Session
// and the Manager, but none may wait for Shutdown. A panic is logged. If OnMessage
// panics, its message counts as failed. Value returns the application's value of the
// request behind a callback.
type Options struct {
	// Store keeps the sessions. Nil means memory.New with Budget and Logger.
	Store store.Store
	// Budget bounds the memory of all sessions, in bytes, when Store is nil: see
	// memory.Options. Zero means 256 MiB. Negative means no bound.
	Budget int64

	// MaxMessages and MaxBytes bound one session's log: the number of messages, and the
	// sum of their Message.Size in bytes. MaxBytes must have room for one message of
	// MaxMessageSize, or New panics. Zero means 1 000 messages, and 1 MiB.
	MaxMessages int
	MaxBytes    int64
	// Overflow says what happens to a message for which a log has no room. Zero means
	// store.OverflowRefuse. While a reader is live, readers without a link, and readers
	// that have taken nothing for three seconds, do not keep a log full: the oldest
	// messages leave, and these readers are told of the gap.
	Overflow store.Overflow
	// MaxMessageSize bounds the Data of one message, in bytes and in either direction.
	// Zero means 64 KiB.
	MaxMessageSize int
	// MaxLinks bounds the links of one session. One more takes the place of the link
	// whose client has been silent for longest, if that is a minute or longer. Otherwise
	// it is refused (store.ErrCrowded). The older links of a reader with several make
	// room at any time. Zero means 32.
	MaxLinks int
	// LinkRate and LinkBurst bound how often links of one session begin on this node:
	// LinkRate per second, and LinkBurst at once. Beyond that, Attach returns
	// ErrLinkRate. Polls that continue a link do not count. Zero means 10, and ten times
	// MaxLinks. A negative LinkRate disables the bound.
	LinkRate, LinkBurst int
	// Rate and Burst bound the upstream messages of one session on this node: Rate per
	// second, and Burst at once. All tabs of a visitor share the bound. Messages beyond
	// it wait in their clients, which resend them later. Zero means 50, and 200. A
	// negative Rate disables the bound.
	Rate, Burst int

	// Intake bounds the bytes that all requests hold together while their bodies are
	// read, or while they wait for what their writer sent before. The requests of one
	// session hold at most a sixteenth of it. Requests beyond it are refused with status
	// 503, and retried. Zero means 64 MiB. A negative Intake disables the bound.
	Intake int64

	// Retention is how long a session without links lives, and how long a reader without
	// a link is remembered. A session remembers at most 128 readers without a link, and
	// at most 32 writers. Beyond that it forgets the reader that left first, or the
	// writer that was used least recently. Zero means 2m.
	Retention time.Duration
	// Remember is how long revocations are kept: a revoked id stays revoked for Remember
	// plus one hour. A Store in memory forgets it earlier if the process restarts. Set it
	// to the Max-Age of the cookie that carries ids. Zero means 720h (30 days).
	Remember time.Duration
	// Heartbeat is the interval, ±10 %, after which a silent stream sends a heartbeat.
	// Zero means 15s. Negative disables heartbeats.
	Heartbeat time.Duration
	// AckTimeout is how long a client may leave what was sent to it unacknowledged. Then
	// the link ends, and the log stays. It does not apply to plain readers or to polls.
	// Zero means 20s. Negative disables the timeout.
	AckTimeout time.Duration

	// Topics returns the options of a topic. It must return the same for one name on
	// every node and at every call, do no I/O, and return at once. Nil means the defaults
	// for all.
	Topics func(name string) TopicOptions
	// HookTimeout bounds a call of OnJoin, and MaxHooks how many run at once: others wait
	// for them within the time. Zero means 5s, and 64.
	HookTimeout time.Duration
	MaxHooks    int

	// The transports enforce the following bounds. They are options of the Manager so
	// that all its transports have the same.

	// LinkAge is how long a link lives at most, ±20 %. Then its client reconnects at
	// once, and loses nothing. It bounds how old a validation of the id can be. Zero
	// means 10m.
	LinkAge time.Duration
	// WriteTimeout is how long a client may take to read what was written to it. On a
	// stream, the limit is between WriteTimeout and 1.5 times that. A client that takes
	// longer loses its link, but nothing in the log. Zero means 10s.
	WriteTimeout time.Duration
	// MaxBody bounds the body of a POST and a frame of a WebSocket, in bytes. Messages
	// that do not fit into it are refused. Zero means 64 KiB, or MaxMessageSize/3*4 + 1
	// KiB if that is larger: base64 takes a third more.
	MaxBody int
	// MaxBatch bounds the messages in one POST or frame. Zero means 100.
	MaxBatch int
	// BodyTimeout is how long a body or frame may take to arrive. Zero means 10s.
	BodyTimeout time.Duration

	// OnOpen is called once for each session that this Manager made, before the hello of
	// the link that it was made for. If another reader comes at the same moment, its
	// OnAttach may be called first. Move makes no session: the existing one has another
	// ID from then on. If you store data by id, move it when you call Rotate.
	OnOpen func(context.Context, *Session)
	// OnAttach is called when a reader comes, before its hello: a message that is sent to
	// the session here reaches it. It is not called for a reader that is back within ten
	// seconds. A plain reader is new each time it comes, and after a restart every reader
	// is. If a session gets another id (Rotate, Move, a Validate that replaces it), its
	// readers are new when they come back under that id. See the example Reload.
	OnAttach func(context.Context, *Session, ReaderInfo)
	// OnJoin decides whether a client may read a topic. It is asked for each join of each
	// new link, so that an answer is never older than a link (LinkAge, Revalidate). It
	// may change where the client begins, and its Info. It runs outside the order of the
	// other callbacks, within HookTimeout and MaxHooks. An error refuses the join with
	// status 403, or with the status of an error that has one, such as a
	// *middleware.Error. A panic and a timeout refuse it with 503: the client asks again.
	// Nil refuses all joins by clients. Topics whose names begin with "~" are refused
	// without asking.
	OnJoin func(context.Context, *Session, *Join) error
	// OnMessage handles one upstream message. The calls for one writer come one at a
	// time, and in order. A message whose call returns an error or panics is not retried.
	// The text of an error is logged (Warn), but not sent: the client learns that the
	// handler failed (status 500). The context has Value, and over HTTP the values of the
	// request. It ends with Shutdown, not with the request. If a node dies between the
	// call and the acknowledgement, the message may come again. Session id, writer and
	// number identify it for good.
	OnMessage func(context.Context, *Session, Incoming) error
	// OnDetach is called when a reader has been away for ten seconds, or at once if its
	// client said goodbye. If the session gets another id, it is called at once, under
	// the previous id and with a Session to which nothing can be sent any more. It is not
	// called for the readers of a session that is ended (Revoke, End): only OnEnd reports
	// that.
	OnDetach func(context.Context, *Session, ReaderInfo)
	// OnGap is called when a reader is told that it has lost messages, once for each gap.
	// Lost.Count returns how many, if that is known. It is also called for a reader that
	// was forgotten before it got what was sent to it alone. Lost then goes from the
	// first of these messages to the last, and the Transport is empty.
	OnGap func(context.Context, *Session, ReaderInfo, store.Lost)
	// OnClose is called once for each link that has ended, on every transport, after the
	// end has taken effect. All polls that carry one link count as that link. If they
	// come to several nodes, each node reports its own part. OnClose must be quick, but
	// may use the Manager. Shutdown waits for it.
	OnClose func(Closed)
	// OnEnd is called once for each session that has ended, by the Manager that ended it.
	// It gets the messages that no reader ever had, and those that were sent to one
	// reader alone (SendTo) and not acknowledged by it. Messages that are sent later are
	// refused with store.ErrNotFound. Up to 64 calls for expired sessions run at a time.
	// A session that Move joined to another one continues there, and gets no OnEnd.
	OnEnd func(context.Context, store.Ended)

	// Observer is told what happens on this node, for metrics and traces: see Observer.
	// Nil means none, and costs nothing.
	Observer Observer

	// LogIDs makes log lines name sessions by their ids in full. The default is their
	// LogID.
	LogIDs bool
	// Logger gets what is not returned to any caller: panics of callbacks, errors of
	// OnMessage, and failures of the store in the background. Nil means slog.Default().
	Logger *slog.Logger
}

// ReaderInfo identifies the reader that a callback is about.
type ReaderInfo struct {
	Reader    string // its name in this session, for SendTo: a hash of the client's _cid, which is a secret
	Plain     bool   // a client that acknowledges nothing, such as an EventSource or curl
	Transport string // of its link: "sse", "poll", "websocket"
}

// Incoming is an upstream message.
type Incoming struct {
	store.Message
	Reader string // the reader that sent it, for SendTo; "" for an unnumbered message
	// the writer that numbered it: usually the same as Reader, or after a reload the
	// previous page; "" for an unnumbered message, which may come twice
	Writer string
	Number uint64 // 1, 2, 3 … for each writer
	// the trace context that the client gave, a W3C traceparent of version 00; "" for
	// none. It stays with the message when the client sends it again
	Trace string
	// it may have been handled before: the client sent it to a server that does not
	// remember it, or the node that handled it died
	Again bool
}
