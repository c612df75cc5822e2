package middleware

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/internal/limitlog"
	"github.com/mirage-go/mirage/store"
)

const (
	defaultTimeout = 5 * time.Second
	defaultHooks   = 64
	defaultIDBytes = 8
)

// Options configure a Middleware. Only Codec is required.
type Options struct {
	// Codec signs and verifies ids. Required.
	Codec *cookie.Codec
	// Sessions is the session layer: the *session.Manager of the transports behind the
	// middleware. It must remember revocations (session.Options.Remember) for at least as
	// long as the Codec's values are valid. Nil means ids without sessions: nothing is
	// resolved, moved or revoked. The transports refuse all requests if Sessions is nil
	// or not their own Manager.
	Sessions Sessions

	// Generate returns an id for a request that presents none or a revoked one, and for
	// Rotate. Requests of one client object that arrive together share a call. Nil means
	// IDBytes random bytes in lower-case hex.
	//
	// Rules for both hooks: a request calls one of them, and none if it has a valid link
	// token. It calls both if the id is revoked while Validate decides about it, or if
	// the application calls Rotate. An id has 1 to 128 characters of [A-Za-z0-9._-]. The
	// request's context ends after Timeout and when the client leaves. A result after
	// that has no effect, and the hook must not use the request any more. A panic fails
	// only that request. A hook must not read the body.
	//
	// An error of Generate is a failure: the client gets 503 and retries. The status of
	// an *Error is used instead of 503.
	Generate func(*http.Request) (id string, err error)
	// Validate decides about an id that a request presents. It runs for every request
	// except those of an open link, so it should be fast. It returns "" to accept the id,
	// or another id to replace it: the session with its messages moves to that id (unless
	// Manager.End has ended it). To let a visitor whose account was deleted continue as a
	// new visitor, return a new id. Nil accepts every id that we signed.
	//
	// Guard calls it. Identify calls it only for unsigned ids.
	//
	// An error of Validate is a refusal: the client gets 403 and stops. The status of an
	// *Error is used instead of 403; after 429 and 5xx the client retries. Errors that
	// wrap context.DeadlineExceeded or context.Canceled are failures, not refusals: the
	// client gets 503.
	Validate func(r *http.Request, id string) (replacement string, err error)

	// Admit is called first for each request without a valid link token: for pages and
	// new links, but not for polls and POSTs of a link. It is the place for limits per
	// address, because only the application knows which address is the client's. It must
	// return quickly. Its errors are treated like those of Validate. Nil admits all.
	Admit func(*http.Request) error

	// Value returns what callbacks of the session layer need from a request to a
	// transport. session.Value returns it in each callback that the request causes, on
	// every transport. Value is called once for each link, poll, POST and DELETE that has
	// an identity, after all hooks. It should be fast. A panic fails only that request.
	// On a POST or poll of a link FromContext returns no identity. The value must not
	// contain anything that is valid only during the request, such as chi's route
	// context. Nil means no value.
	Value func(*http.Request) any

	// Timeout bounds everything that happens before a request is let in: the hook and the
	// calls to the session layer. Zero means 5s.
	Timeout time.Duration
	// MaxHooks is how many hooks run at once. A request that needs one more gets 503. A
	// hook that does not return when its context ends still counts. Zero means 64.
	MaxHooks int
	// IDBytes is how many random bytes a default id has, 8 to 64. Zero means 8. Use 16 if
	// a guessed id would reveal something.
	IDBytes int

	// Origins are other origins whose pages may use the session like our own pages, with
	// credentials. They are compared exactly, so write what the browser sends as Origin:
	//
	//	https://app.example.com  the port only if it is not the default
	//	https://localhost        Capacitor on Android; http://localhost before version 6
	//	capacitor://localhost    Capacitor on iOS; older Ionic apps: ionic://localhost
	//	tauri://localhost        Tauri; on Windows and Android http://tauri.localhost
	//	app://bundle             Electron, with a scheme registered as standard
	//	chrome-extension://<id>  an extension; in Firefox (moz-extension://<uuid>) and
	//	                         Safari the id differs in each installation
	//
	// "null" and file:// are refused, because everybody's files have that origin. The
	// cookie is SameSite=Lax and is not sent from another site. mirage.js then keeps the
	// signed id itself. Empty means none.
	Origins []string
	// OwnOrigins are further origins of this site itself, on http or https, for servers
	// behind a proxy that changes Host. Empty means that Host decides.
	OwnOrigins []string
	// AcceptUnsigned lets Validate decide about ids in the query that we did not sign. It
	// requires Validate.
	AcceptUnsigned bool

	// Logger receives failures and panics of hooks, with their errors. The middleware
	// itself never logs a signed value or a query. Nil means slog.Default().
	Logger *slog.Logger
	// Count is called with the name of an event, for a metric. Outcomes of a request are
	// "generated", "replaced", "refused", "revoked", "settling", "failed", "timeout",
	// "left" (the client left before it was let in) and "busy". "foreign" means that a
	// foreign page got no identity. "invalid-query", "invalid-cookie" and "invalid-token"
	// are values that did not verify and are treated as absent. Count is called
	// concurrently and must not block. Nil means that nothing is counted.
	Count func(what string)
}

// Sessions is what the middleware needs from the session layer. *session.Manager
// implements it. Methods that take a ctx may wait for a store and must return when ctx
// ends. All methods must be safe for concurrent use.
type Sessions interface {
	// Now returns the Store's time, without I/O. Everything that the middleware signs for
	// a request carries the Now at which it first looked at the request, so that a later
	// revocation applies to it (I13).
	Now() time.Time
	// Resolve returns the state and the current name of an id that a request presents:
	// whether values with that signing time are still valid, and what the id is called
	// now. That is the id itself, unless it was moved and client is the client that may
	// still use the old name. Resolve may be called more than once for a request.
	Resolve(ctx context.Context, id string, a store.Asked, client string) (store.Standing, error)
	// Replace renames the session of from, if there is one, to to. Until a request
	// presents to, from still leads there for client, or for no client if client is "".
	// The error is store.ErrRevoked or store.ErrMoved, and nothing has changed, if the
	// presented value is no longer valid.
	Replace(ctx context.Context, from, to string, a store.Asked, client string) error
	// Rotate is Replace with client "", and revokes from in the same step.
	Rotate(ctx context.Context, from, to string, a store.Asked) error
	// Revoke invalidates all values that were signed for id until now.
	Revoke(ctx context.Context, id string) error
}

// complete checks the options and fills in the defaults. It panics if they are invalid:
// that is a mistake in the program, found when it starts.
func (o Options) complete() Options {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxHooks == 0 {
		o.MaxHooks = defaultHooks
	}
	if o.IDBytes == 0 {
		o.IDBytes = defaultIDBytes
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.Logger = limitlog.New(o.Logger)
	if o.Count == nil {
		o.Count = func(string) {}
	}

	switch {
	case o.Codec == nil:
		panic("middleware: Options.Codec is nil; make one with cookie.New(cookie.Options{}, key)")
	case remembers(o.Sessions) < o.Codec.MaxAge():
		panic(fmt.Sprintf("middleware: session.Options.Remember is %v, "+
			"and a cookie is valid for %v (cookie.Options.MaxAge): "+
			"a revoked value would become valid again; raise Remember or lower MaxAge",
			remembers(o.Sessions), o.Codec.MaxAge()))
	case o.AcceptUnsigned && o.Validate == nil:
		panic("middleware: Options.AcceptUnsigned needs Options.Validate: nothing else vouches for an unsigned id")
	case o.Timeout < 0:
		panic(fmt.Sprintf("middleware: Options.Timeout is %v; give a positive time, or 0 for 5s", o.Timeout))
	case o.MaxHooks < 0:
		panic(fmt.Sprintf("middleware: Options.MaxHooks is %d; give a positive number, or 0 for 64", o.MaxHooks))
	case o.IDBytes < defaultIDBytes || o.IDBytes > maxID/2:
		panic(fmt.Sprintf("middleware: Options.IDBytes is %d; give %d to %d, or 0 for %[2]d",
			o.IDBytes, defaultIDBytes, maxID/2))
	}

	return o
}

// remembers returns how long the session layer remembers a revocation, or for ever if the
// layer does not say.
func remembers(s Sessions) time.Duration {
	if m, ok := s.(interface{ Remember() time.Duration }); ok {
		return m.Remember()
	}
	return math.MaxInt64
}
