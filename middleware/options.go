package middleware

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/store"
)

const (
	defaultTimeout = 5 * time.Second
	defaultHooks   = 64
	defaultIDBytes = 8
)

// Options say who is let in and how. Only Codec is needed.
type Options struct {
	// Codec signs and verifies ids. Required.
	Codec *cookie.Codec
	// Sessions is the session layer, the *session.Manager of the transports behind the
	// middleware: with none, or another one, they refuse all requests. It must remember
	// revocations (session.Options.Remember) for as long as the Codec's values are good.
	// Nil means ids alone: nothing to resolve, to move or to revoke.
	Sessions Sessions

	// Generate makes an id for a request that came without one, or with one that was
	// revoked, and for Rotate. Requests of one client object that arrive together share a
	// call. Nil means IDBytes random bytes in lower-case hex.
	//
	// Rules for both hooks: one of them runs for a request, and none for one with a valid
	// link token. Both do where the id is revoked while Validate decides about it, and
	// where the application calls Rotate. An id has 1 to 128 characters of
	// [A-Za-z0-9._-]. The request's context ends at Timeout and when the client leaves;
	// an answer after that has no effect, and the request must not be looked at any more.
	// A panic fails that request only. A hook must not read the body.
	//
	// An error of Generate is a failure: 503, the client tries again. An *Error decides
	// by its own status.
	Generate func(*http.Request) (id string, err error)
	// Validate decides about an id that came, with the request at hand. It runs for every
	// request but those of a link that is open already, so it ought to be quick. It
	// returns "" to let it in, or another id to replace it: the session moves there with
	// its messages (unless Manager.End has ended it). To let somebody whose account is
	// gone go on as a stranger, return a new id. Nil accepts every id that we signed.
	//
	// Guard asks it, and Identify does not, see there.
	//
	// An error of Validate refuses: 403, the client stops. An *Error decides by its own
	// status: 429 and 5xx mean "come back". Errors that wrap context.DeadlineExceeded or
	// context.Canceled are failures, not refusals: 503.
	Validate func(r *http.Request, id string) (replacement string, err error)

	// Admit is asked first about each request but those with a valid link token: about
	// pages and new links, not about polls and POSTs of a link. It is the place for
	// limits per address, of which only the application knows which one is the client's.
	// It must be quick; an error is one of Validate. Nil admits all.
	Admit func(*http.Request) error

	// Value returns what callbacks of the session layer want to know of a request to a
	// transport: session.Value is that in each callback that the request leads to, on
	// every transport. It is called once for each link, poll, POST and DELETE that has an
	// identity, after all hooks, and ought to be quick; a panic fails that request. On a
	// POST or poll of a link FromContext has no identity. What only lives as long as the
	// request must not be in it (chi's route context is such). Nil means no value.
	Value func(*http.Request) any

	// Timeout bounds all that happens before a request is let in: the hook and the
	// session layer's answers. Zero means 5s.
	Timeout time.Duration
	// MaxHooks is how many hooks run at once; a request that needs a further one gets
	// 503. A hook that does not return when its context ends keeps its place. Zero means
	// 64.
	MaxHooks int
	// IDBytes is how many random bytes a default id has, 8 to 64. Zero means 8; 16 is
	// better where a guessed id would tell something.
	IDBytes int

	// Origins are pages of other origins that may use the session as if they were
	// ours, with credentials. They are compared exactly, so write what the browser
	// sends as Origin:
	//
	//	https://app.example.com  the port only if it is not the default
	//	https://localhost        Capacitor on Android; http://localhost before version 6
	//	capacitor://localhost    Capacitor on iOS; older Ionic apps: ionic://localhost
	//	tauri://localhost        Tauri; on Windows and Android http://tauri.localhost
	//	app://bundle             Electron, with a scheme registered as standard
	//	chrome-extension://<id>  an extension; in Firefox (moz-extension://<uuid>) and
	//	                         Safari the id differs in each installation
	//
	// "null" and file:// are refused: anybody's file has that origin. The cookie is
	// SameSite=Lax and does not travel from another site: mirage.js then keeps the signed
	// id by itself. Empty means none.
	Origins []string
	// OwnOrigins are further names of this very site, on http or https, for servers
	// behind a proxy that changes Host. Empty means that Host decides.
	OwnOrigins []string
	// AcceptUnsigned lets Validate, which is then required, decide about ids in the query
	// that we did not sign.
	AcceptUnsigned bool

	// Logger gets failures and panics of hooks, with their errors. Of itself it never
	// gets a signed value or a query. Nil means slog.Default().
	Logger *slog.Logger
	// Count, if set, is called with the name of what happened, for a metric:
	// "generated", "replaced", "refused", "revoked", "settling", "failed", "timeout",
	// "left" (the client, before it was let in), "busy" (outcomes of a request),
	// "foreign" (a foreign page: no identity), "invalid-query", "invalid-cookie",
	// "invalid-token" (values that did not verify and count as absent). It is called by
	// many goroutines and must not wait.
	Count func(what string)
}

// Sessions is what the middleware needs of the session layer. *session.Manager has it.
// All methods may wait for a store, obey ctx, and are called by many goroutines at once.
type Sessions interface {
	// Now is the Store's time, without I/O. Everything that the middleware signs for a
	// request is signed with the Now at which it first looked at it, so that a revocation
	// since counts (I13).
	Now() time.Time
	// Resolve says how an id stands that came: whether values that were signed then still
	// count, and what it is called now: itself, unless it was moved and client is the one
	// who may still use the old name. It may be called more than once for a request.
	Resolve(ctx context.Context, id string, a store.Asked, client string) (store.Standing, error)
	// Replace gives the session of from, if there is one, the name to. Until to is
	// presented, from still leads there for client; for nobody if client is "". It is
	// store.ErrRevoked or store.ErrMoved, and nothing has changed, if what was asked does
	// not count any more.
	Replace(ctx context.Context, from, to string, a store.Asked, client string) error
	// Rotate is Replace for nobody that revokes from in the same step.
	Rotate(ctx context.Context, from, to string, a store.Asked) error
	// Revoke makes all values of id that were signed until now worthless.
	Revoke(ctx context.Context, id string) error
}

// complete checks the options and fills in the defaults. It panics: wrong options are a
// mistake in the program, seen at its start.
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
	if o.Count == nil {
		o.Count = func(string) {}
	}

	switch {
	case o.Codec == nil:
		panic("middleware: Options.Codec is nil; make one with cookie.New(cookie.Options{}, key)")
	case remembers(o.Sessions) < o.Codec.MaxAge():
		panic(fmt.Sprintf("middleware: session.Options.Remember is %v, "+
			"and a cookie is good for %v (cookie.Options.MaxAge): "+
			"a value that was revoked would be good again; raise Remember or lower MaxAge",
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

// remembers is how long the session layer remembers a revocation, if it says so.
func remembers(s Sessions) time.Duration {
	if m, ok := s.(interface{ Remember() time.Duration }); ok {
		return m.Remember()
	}
	return math.MaxInt64
}
