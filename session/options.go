package session

import (
	"context"
	"log/slog"
	"time"

	"github.com/mirage-go/mirage/store"
)

// Options configure a Manager. The zero value is a working one: bounded
// sessions in memory.
//
// Of the callbacks, OnOpen, OnAttach and OnDetach of one session never overlap on one
// node; the others run at any time, and at once. All may use the Session and the Manager,
// but none may wait for Shutdown. A panic is logged, and that of OnMessage is its answer,
// too. Value returns what the application made of the request behind a callback.
type Options struct {
	// Store keeps the sessions. Nil means memory.New with Budget and Logger.
	Store store.Store
	// Budget bounds the memory of all sessions when Store is nil, see memory.Options.
	// Zero means 256 MiB. Negative is no bound.
	Budget int64

	// MaxMessages and MaxBytes bound one session's log. Zero means 1 000 messages
	// and 1 MiB.
	MaxMessages int
	MaxBytes    int64
	// Overflow says what happens to a message for which a log has no room. Zero means
	// store.OverflowRefuse. While a reader is live, those without a link, and those that
	// have taken nothing for three seconds, do not hold a full log: the oldest messages
	// leave, and these readers are told of the gap.
	Overflow store.Overflow
	// MaxMessageSize bounds the Data of one message in either direction. Zero
	// means 64 KiB.
	MaxMessageSize int
	// MaxLinks bounds the links of one session. One more takes the place of the link
	// whose client was silent for longest, if that is a minute or longer, and is refused
	// otherwise (store.ErrCrowded). Of a reader with several links, older ones make room
	// at any time. Zero means 32.
	MaxLinks int
	// LinkRate and LinkBurst bound how often links of one session begin on this node:
	// LinkRate a second, and LinkBurst at once; beyond that, Attach is ErrLinkRate. Polls
	// that go on with a link do not count. Zero means 10, and ten times MaxLinks. A
	// negative LinkRate disables the bound.
	LinkRate, LinkBurst int
	// Rate and Burst bound the upstream messages of one session on this node: Rate a
	// second, and Burst at once. Zero means 50 and 200. A negative Rate disables the
	// bound. All tabs of a visitor share it; what is beyond waits in their clients, and
	// comes later.
	Rate, Burst int

	// Intake bounds the bytes that requests hold together whose body is being read, or
	// which wait for what the same writer sent before. Those of one session hold at most
	// a sixteenth. What is beyond is refused with 503, and comes again. Zero means 64
	// MiB. A negative Intake disables the bound.
	Intake int64

	// Retention is how long a session lives without links, and a reader is remembered
	// without one. Zero means 2m.
	Retention time.Duration
	// Remember is how long a revoked id stays revoked, and an hour more, in memory at
	// most until the process restarts; give it the Max-Age of the cookie that carries
	// ids. Zero means 720h (30 days).
	Remember time.Duration
	// Heartbeat is how long a stream stays silent at most, ±10 %. Zero means 15s.
	// Negative disables.
	Heartbeat time.Duration
	// AckTimeout is how long a client may leave unacknowledged what was sent to it; then
	// the link ends and the log stays. It does not concern plain readers. Zero means 20s.
	// Negative disables.
	AckTimeout time.Duration

	// The following bounds and ages of links are kept by the transports. They stand here
	// so that all transports of one Manager have the same.

	// LinkAge is how long a link lives at most, ±20 %; then its client comes back at once
	// and loses nothing. It bounds how old a validation of the id can be. Zero means 10m.
	LinkAge time.Duration
	// WriteTimeout is how long a client may take to read what was written to it, or, on a
	// stream, half as long again; then its link ends and the log stays. Zero means 10s.
	WriteTimeout time.Duration
	// MaxBody bounds the body of a POST and a frame of a WebSocket, in bytes. Zero means
	// 64 KiB, or MaxMessageSize/3*4 + 1 KiB if that is larger: a third more, for base64.
	// A lower one is a bound of its own: messages that do not fit in are refused.
	MaxBody int
	// MaxBatch bounds the messages in one POST or frame. Zero means 100.
	MaxBatch int
	// BodyTimeout is how long a body or frame may take to arrive. Zero means 10s.
	BodyTimeout time.Duration

	// OnOpen is called once for each session that this Manager made, before the hello of
	// the link that it was made for. A reader that comes at the same moment may be told
	// of before it. Move makes none: the session has another ID from then on. Who keeps
	// something by id takes it along when calling Rotate.
	OnOpen func(context.Context, *Session)
	// OnAttach is called when a reader comes, before its hello: what is sent to the
	// session here reaches it. A reader that is back within ten seconds never left; a
	// plain one is new each time it comes, and after a restart all are. So is every
	// reader of a session that has got another id (Rotate, Move, a replacing Validate),
	// when it comes back under that. See the example Reload.
	OnAttach func(context.Context, *Session, ReaderInfo)
	// OnMessage handles one upstream message. The calls of one writer come one at a time
	// and in order; an error or panic is an answer as well and is not tried again. The
	// text of an error is logged (Warn) and goes no further: the client hears that the
	// handler failed (status 500). The context carries the values of the request (over
	// WebSocket those of websocket.Options.Context), and ends with Shutdown, not with the
	// request. The triple of session id, writer and number names a message for good,
	// should a node die between the call and the acknowledgement.
	OnMessage func(context.Context, *Session, Incoming) error
	// OnDetach is called when a reader has been away for ten seconds, or at once if its
	// client said goodbye, or if its session gets another id: then under the one that it
	// had, with a Session to which nothing can be sent any more. A session that is ended
	// (Revoke, End) takes its readers along: OnEnd alone tells that they are gone.
	OnDetach func(context.Context, *Session, ReaderInfo)
	// OnGap is called when a reader is told that messages are lost to it, once for each
	// gap. Lost.Count says how many, where that is known. It is also called for a reader
	// that was forgotten before it got what was sent to it alone: Lost goes from the
	// first of these messages to the last, and the Transport is empty.
	OnGap func(context.Context, *Session, ReaderInfo, store.Lost)
	// OnClose is called once for each link that is over, on every transport, after what
	// the link's end has brought about. The link of a client that polls is one, however
	// many polls carry it, unless they come to several nodes: then each node tells of its
	// own. It must be quick, but may use the Manager. Shutdown waits for it.
	OnClose func(Closed)
	// OnEnd is called once for each session that is over, for up to 64 expired ones at a
	// time, by the Manager that ended it, with what no reader ever had, and what was sent
	// to one reader alone (SendTo) and is not acknowledged by it. What is sent later is
	// not in it: Send is store.ErrNotFound then. A session that Move joined to another
	// one is in that one and gets no OnEnd.
	OnEnd func(context.Context, store.Ended)

	// Logger gets what no caller can be told: panics of callbacks and failures of the
	// store behind a link's back. Nil means slog.Default().
	Logger *slog.Logger
}

// ReaderInfo says which reader a callback is about.
type ReaderInfo struct {
	Reader    string // its name in this session, for SendTo: a hash of the client's _cid, which is a secret
	Plain     bool   // a client without code of ours
	Transport string // of the link by which it came: "sse", "poll", "websocket"
}

// Incoming is an upstream message.
type Incoming struct {
	store.Message
	Reader string // by whose link it came: who asks now, for SendTo; "" for an unnumbered message
	// who numbers it: mostly the same as Reader, or the page before it after a reload; ""
	// for an unnumbered message, which nothing protects from coming twice
	Writer string
	Number uint64 // 1, 2, 3 … within the writer
	Again  bool   // the client sent it before, to a server that does not remember: it may have been handled
}
