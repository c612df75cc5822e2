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

// Options configure a Live. Keys are required, or Insecure for development. Everything
// else has a default. The package of a field's type, or the package that its comment
// names, describes the field in full.
//
// OnMessage is called for one message at a time of each client of mirage.js. OnOpen,
// OnAttach and OnDetach of one session are called one at a time on each node. All other
// calls of hooks and callbacks may be concurrent.
type Options struct {
	// Keys sign and verify ids: the first one signs, all verify. Each has at least 32
	// random bytes. Read them with ParseKeys. Empty means a key in Dir, if that is set.
	// Otherwise it means a random key, and is allowed only with Insecure and sessions in
	// memory.
	Keys [][]byte
	// Insecure lets the cookie travel over plain http, for development. See
	// cookie.Options.
	Insecure bool
	// Name is part of the cookie's name and of what is signed. Two programs on one host,
	// or two Lives, need different names, because cookies ignore ports. Empty means
	// "mirage".
	Name string
	// CookieAge is how long an id stays valid without a visit, and how long a revocation
	// is remembered. It must be at least 30 minutes, at least 2.4 times LinkAge (a link
	// may live 20 % longer than LinkAge), and at most 100 years. Zero means 30 days.
	CookieAge time.Duration
	// Embedded is for pages that other sites embed in frames. See cookie.Options.
	Embedded bool

	// Generate returns an id for a visitor who has none. Nil means random bytes
	// (IDBytes). See middleware.Options for the rules of both hooks.
	Generate func(*http.Request) (id string, err error)
	// Validate decides whether an id may begin a link or see a page behind Guard. The
	// result "" accepts the id. Another id replaces it and takes over the session. An
	// error refuses it. Nil accepts every id that we signed.
	Validate func(r *http.Request, id string) (replacement string, err error)
	// Admit is called first for each page and each new link. It is the place for limits
	// per address. An error refuses the request. Nil admits all.
	Admit func(*http.Request) error
	// Value returns what callbacks need from the request behind them, such as the
	// logged-in user. The function Value returns it there. It is called for each new
	// link, and for each poll and message over HTTP. Nil means no value.
	Value func(*http.Request) any
	// HookTimeout bounds Generate, Validate and the Store operations that happen before a
	// request is let in, and OnJoin. Zero means 5s.
	HookTimeout time.Duration
	// MaxHooks bounds the hooks that run at once. Requests beyond it get 503. As many
	// calls of OnJoin run at once, and others wait. Zero means 64.
	MaxHooks int
	// IDBytes is how many random bytes an id has, 8 to 64. Zero means 8.
	IDBytes int
	// AcceptUnsigned lets Validate decide about unsigned ids in the query. It requires
	// Validate.
	AcceptUnsigned bool
	// Origins are other origins whose pages may connect with credentials, written as
	// browsers send them. If you use http.CrossOriginProtection, add each of them there,
	// too (AddTrustedOrigin), or it refuses their messages. Empty means none.
	Origins []string
	// OwnOrigins are the origins of this site itself, for a site behind a proxy that
	// changes Host. Empty means that Host decides.
	OwnOrigins []string

	// Dir is a directory that keeps the sessions, so that they survive a restart of this
	// process. It needs Open instead of New. Empty means that a restart loses them.
	Dir string
	// Store keeps the sessions elsewhere. Nil means in memory, and in Dir.
	Store Store
	// Budget bounds the memory of all sessions in bytes, if Store is nil. Zero means 256
	// MiB. Negative disables it.
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
	// MaxLinks bounds the links of one session. LinkRate bounds how many begin per
	// second, and LinkBurst how many begin at once. Zero means 32, 10, and ten times
	// MaxLinks. A negative LinkRate disables that bound.
	MaxLinks            int
	LinkRate, LinkBurst int
	// Rate and Burst bound the messages that one session sends, per second and at once.
	// Zero means 50 and 200. A negative Rate disables the bound.
	Rate, Burst int
	// Intake bounds the bytes that all requests with messages hold together. Zero means
	// 64 MiB. Negative disables it.
	Intake int64
	// Retention is how long a session, and a tab's position in it, is kept without a
	// link. Zero means 2m.
	Retention time.Duration
	// Heartbeat is the interval, ±10 %, after which a silent stream sends a heartbeat.
	// Zero means 15s. Negative disables it.
	Heartbeat time.Duration
	// AckTimeout is how long a client may leave a message unacknowledged. After that, its
	// link ends. Zero means 20s. Negative disables it.
	AckTimeout time.Duration

	// Topics returns what a topic retains, by its name. It must be a pure function. Nil
	// means the defaults of TopicOptions for all.
	Topics func(name string) TopicOptions
	// OnJoin decides whether a client may read a topic. It may change where the client
	// begins. An error refuses the join with status 403, or with that of an Error. Nil
	// refuses all joins by clients. It is bounded by HookTimeout and MaxHooks.
	OnJoin func(context.Context, *Session, *Join) error

	// OnOpen is called for each new session.
	OnOpen func(context.Context, *Session)
	// OnAttach is called when a tab connects, before anything is sent to it.
	OnAttach func(context.Context, *Session, Reader)
	// OnMessage handles a message from a client. The calls for one client are made one at
	// a time and in order, once for each message. An error or panic does not cause
	// another try.
	OnMessage func(context.Context, *Session, Incoming) error
	// OnDetach is called when a tab has been disconnected for ten seconds, or at once
	// after client.close() in mirage.js.
	OnDetach func(context.Context, *Session, Reader)
	// OnGap is called when a tab is told that it has missed messages (a gap).
	OnGap func(context.Context, *Session, Reader, Lost)
	// OnEnd is called for each session that has ended, with the messages that no tab
	// received.
	OnEnd func(context.Context, Ended)
	// OnClose is called for each link that has ended, on every transport. It is the place
	// for access logs. It must return quickly.
	OnClose func(Closed)

	// LinkAge is how long a link lives, ±20 %. Then its client begins a new one and loses
	// nothing. It bounds how long an answer of Validate is relied on. Zero means 10m.
	LinkAge time.Duration
	// WriteTimeout is how long a client may take to read what was written to it. On a
	// stream, the limit is between WriteTimeout and 1.5 times that. Zero means 10s.
	WriteTimeout time.Duration
	// MaxBody bounds the size of one POST or WebSocket frame, in bytes. Zero means 64
	// KiB, or a third more than MaxMessageSize if that is larger.
	MaxBody int
	// MaxBatch bounds the messages in one POST or frame. Zero means 100.
	MaxBatch int
	// BodyTimeout is how long a POST or frame may take to arrive. Zero means 10s.
	BodyTimeout time.Duration
	// Transport has the options of the individual transports.
	Transport transport.Options

	// Observer is told what happens on this node, for metrics and traces: see package
	// observe/prometheus, package observe/otel and package inspect. To have several, use
	// Observers. Nil means none, and costs nothing.
	Observer Observer

	// LogIDs makes log lines name sessions by their ids in full, instead of by LogID.
	LogIDs bool
	// Logger receives errors that are not returned to any caller. Nil means
	// slog.Default().
	Logger *slog.Logger
	// Count is called with the name of what happened to a request, for a metric. See
	// middleware.Options. Nil means that nothing is counted.
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

// session returns the options of the Manager for ids that are valid for age.
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
		Topics:         o.Topics,
		OnJoin:         o.OnJoin,
		HookTimeout:    o.HookTimeout,
		MaxHooks:       o.MaxHooks,
		OnOpen:         o.OnOpen,
		OnAttach:       o.OnAttach,
		OnMessage:      o.OnMessage,
		OnDetach:       o.OnDetach,
		OnGap:          o.OnGap,
		OnEnd:          o.OnEnd,
		OnClose:        o.OnClose,
		Observer:       o.Observer,
		LogIDs:         o.LogIDs,
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
		Count:          o.count(),
	}
}

// count returns what is called with the outcome of a request: Count, and the Observer.
func (o *Options) count() func(string) {
	if o.Observer == nil {
		return o.Count
	}
	count, observer := o.Count, o.Observer
	return func(what string) {
		if count != nil {
			count(what)
		}
		observer.Observe(session.Event{Kind: session.EventHook, Hook: session.HookIdentify, Reason: what})
	}
}
