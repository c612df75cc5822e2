package mirage

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport"
)

// Options configure a Live. Keys are required, or Insecure for development;
// everything else has a default. A field is described in full where its type or the
// named package is.
type Options struct {
	// Keys sign ids: the first one signs, all verify. Each has 32 random bytes or more.
	// Read them with ParseKeys. Empty means, with Insecure and sessions in memory, a
	// random key.
	Keys [][]byte
	// Insecure lets the cookie travel over plain http: for
	// development. See cookie.Options.
	Insecure bool
	// Name is part of the cookie's name and of what is signed. Two programs on one host,
	// or two Lives, need two names, because cookies ignore ports. Empty means "mirage".
	Name string
	// CookieAge is how long an id is good without a visit, and how long a revoked one is
	// remembered. It must be twice as long as a link may live. Zero means 30 days.
	CookieAge time.Duration
	// Embedded is for pages in frames of other sites. See cookie.Options.
	Embedded bool

	// Generate makes the id of a visitor who has none. Nil means random bytes (IDBytes).
	// See middleware.Options for the rules of both hooks.
	Generate func(*http.Request) (id string, err error)
	// Validate decides about an id that begins a link, or comes to a page behind Guard:
	// "" lets it in, another id replaces it and takes the session along, and an error
	// refuses it. Nil accepts every id that we signed.
	Validate func(r *http.Request, id string) (replacement string, err error)
	// Admit is asked first about each page and each new link: for limits per address. An
	// error refuses. Nil admits all.
	Admit func(*http.Request) error
	// Value returns what callbacks want to know of the request behind them, such as who
	// is logged in: see the function Value. It is called for each new link, poll and
	// message over HTTP. Nil means nothing.
	Value func(*http.Request) any
	// HookTimeout bounds Generate, Validate and what the session layer asks its Store
	// about a request. Zero means 5s.
	HookTimeout time.Duration
	// MaxHooks bounds the hooks that run at once; more requests get 503. Zero means 64.
	MaxHooks int
	// IDBytes is how many random bytes an id has, 8 to 64. Zero means 8.
	IDBytes int
	// AcceptUnsigned lets Validate, which is then required, decide about ids in the query
	// that nobody signed.
	AcceptUnsigned bool
	// Origins are pages of other origins that may connect, with credentials, written as
	// browsers send them. Behind http.CrossOriginProtection add each of them there, too
	// (AddTrustedOrigin), or it refuses their messages. Empty means none.
	Origins []string
	// OwnOrigins are names of this very site, where a proxy changes Host. Empty means
	// that Host decides.
	OwnOrigins []string

	// Store keeps the sessions. Nil means in memory, in this process.
	Store Store
	// Budget bounds the memory of all sessions where Store is nil, in bytes. Zero means
	// 256 MiB. Negative disables.
	Budget int64
	// MaxMessages and MaxBytes bound the log of one session. Zero means 1 000 messages
	// and 1 MiB.
	MaxMessages int
	MaxBytes    int64
	// Overflow says what Send does when a log is full. Zero means OverflowRefuse.
	Overflow Overflow
	// MaxMessageSize bounds the data of one message in either direction, in bytes. Zero
	// means 64 KiB.
	MaxMessageSize int
	// MaxLinks bounds the links of one session, LinkRate and LinkBurst how many begin a
	// second and at once. Zero means 32, 10, and ten times MaxLinks. A negative LinkRate
	// disables that bound.
	MaxLinks            int
	LinkRate, LinkBurst int
	// Rate and Burst bound the messages that come from one session, a second and at once.
	// Zero means 50 and 200. A negative Rate disables the bound.
	Rate, Burst int
	// Intake bounds the bytes that requests with messages hold together. Zero means 64
	// MiB. Negative disables.
	Intake int64
	// Retention is how long a session, and the place of a tab in it, is kept without a
	// link. Zero means 2m.
	Retention time.Duration
	// Heartbeat is how long a stream stays silent at most, ±10 %. Zero means 15s.
	// Negative disables.
	Heartbeat time.Duration
	// AckTimeout is how long a client may leave unacknowledged what was sent to it; then
	// its link ends. Zero means 20s. Negative disables.
	AckTimeout time.Duration

	// OnOpen is called for each new session.
	OnOpen func(context.Context, *Session)
	// OnAttach is called when a tab comes, before anything is sent to it.
	OnAttach func(context.Context, *Session, Reader)
	// OnMessage handles a message from a client. The calls of one client come one at a
	// time, in order, and once for each message; an error or panic is an answer, too.
	OnMessage func(context.Context, *Session, Incoming) error
	// OnDetach is called when a tab has been away for ten seconds, or has said goodbye.
	OnDetach func(context.Context, *Session, Reader)
	// OnGap is called when a tab is told that messages are lost to it.
	OnGap func(context.Context, *Session, Reader, Lost)
	// OnEnd is called for each session that is over, with the messages that nobody had.
	OnEnd func(context.Context, Ended)
	// OnClose is called for each link that is over, on every transport: for access logs.
	// It must be quick.
	OnClose func(Closed)

	// LinkAge is how long a link lives, ±20 %; then its client begins a new one and loses
	// nothing. It bounds how old an answer of Validate can be. Zero means 10m.
	LinkAge time.Duration
	// WriteTimeout is how long a client may take to read what was written to it, or half
	// as long again. Zero means 10s.
	WriteTimeout time.Duration
	// MaxBody bounds what one POST or WebSocket frame brings, in bytes. Zero means 64
	// KiB, or a third more than MaxMessageSize if that is larger.
	MaxBody int
	// MaxBatch bounds the messages in one POST or frame. Zero means 100.
	MaxBatch int
	// BodyTimeout is how long a POST or frame may take to arrive. Zero means 10s.
	BodyTimeout time.Duration
	// Transport has the options of single transports.
	Transport transport.Options

	// Logger gets what no caller can be told. Nil means slog.Default().
	Logger *slog.Logger
	// Count is called with what happened to a request, for a metric. See
	// middleware.Options. Nil means nobody counts.
	Count func(what string)
}

func (o *Options) cookie() cookie.Options {
	return cookie.Options{
		Name:     o.Name,
		MaxAge:   o.CookieAge,
		Insecure: o.Insecure,
		Embedded: o.Embedded,
		Logger:   o.Logger,
	}
}

// session returns the options of the Manager for ids that are good for age.
func (o *Options) session(age time.Duration) session.Options {
	return session.Options{
		Store:          o.Store,
		Budget:         o.Budget,
		MaxMessages:    o.MaxMessages,
		MaxBytes:       o.MaxBytes,
		Overflow:       o.Overflow,
		MaxMessageSize: o.MaxMessageSize,
		MaxLinks:       o.MaxLinks,
		LinkRate:       o.LinkRate,
		LinkBurst:      o.LinkBurst,
		Rate:           o.Rate,
		Burst:          o.Burst,
		Intake:         o.Intake,
		Retention:      o.Retention,
		Remember:       age,
		Heartbeat:      o.Heartbeat,
		AckTimeout:     o.AckTimeout,
		LinkAge:        o.LinkAge,
		WriteTimeout:   o.WriteTimeout,
		MaxBody:        o.MaxBody,
		MaxBatch:       o.MaxBatch,
		BodyTimeout:    o.BodyTimeout,
		OnOpen:         o.OnOpen,
		OnAttach:       o.OnAttach,
		OnMessage:      o.OnMessage,
		OnDetach:       o.OnDetach,
		OnGap:          o.OnGap,
		OnEnd:          o.OnEnd,
		OnClose:        o.OnClose,
		Logger:         o.Logger,
	}
}

func (o *Options) middleware(codec *cookie.Codec, sessions *session.Manager) middleware.Options {
	return middleware.Options{
		Codec:          codec,
		Sessions:       sessions,
		Generate:       o.Generate,
		Validate:       o.Validate,
		Admit:          o.Admit,
		Value:          o.Value,
		Timeout:        o.HookTimeout,
		MaxHooks:       o.MaxHooks,
		IDBytes:        o.IDBytes,
		Origins:        o.Origins,
		OwnOrigins:     o.OwnOrigins,
		AcceptUnsigned: o.AcceptUnsigned,
		Logger:         o.Logger,
		Count:          o.Count,
	}
}
