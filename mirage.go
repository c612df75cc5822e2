// Package mirage gives web applications sessions that survive the network.
//
// [New] returns a [Live]: the handler of one URL, and the middleware for the pages around
// it.
//
//	live := mirage.New(mirage.Options{Keys: keys, OnMessage: receive})
//
//	r := chi.NewRouter()
//	r.Use(live.Identify)     // every visitor has an id: live.ID(r)
//	r.Mount("/live", live)   // streams, long-polls, WebSockets, messages, mirage.js
//
// With [http.ServeMux] that is mux.Handle("/live/", live), and live.Identify(mux) around
// it. (The pattern "GET /" conflicts with "/live/": write "GET /{$}" or "/" instead.) The
// page contains the other half:
//
//	<script type="module">
//	  import Mirage from '/live/mirage.js'
//	  const client = new Mirage()
//	  client.on('message', said => …)
//	  client.send('hello')
//	</script>
//
// Each visitor has a mirage id, in a signed cookie. Each id has a session (a mailbox):
// one bounded log of messages, to which [Live.Send] appends. Each tab is a reader (a
// subscriber) of the log. It reads over a link (a connection) on whatever transport
// works. After a reconnect, a reload or a change of transport it continues at its
// position (an offset). Messages from tabs are passed to Options.OnMessage once and in
// order.
//
// The parts are separate packages that you can also compose by hand: see the example
// ByHand. The example LogIn shows accounts. Package middleware documents who gets an id
// and what an attacker can forge. Package session documents what is kept and for how
// long. Package transport documents what is served.
package mirage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport"
)

// A Live is a live URL and the sessions behind it. It is safe for concurrent use. Create
// one with New and stop it with Shutdown.
type Live struct {
	codec    *cookie.Codec
	sessions *session.Manager
	who      *middleware.Middleware
	links    http.Handler
	script   http.Handler
	store    io.Closer // that Shutdown closes; nil for none
	unready  atomic.Bool
}

// New returns a Live. It panics if the options are invalid. The message says what to
// change.
func New(o Options) *Live {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Dir != "" {
		panic("mirage: Options.Dir is set: use Open, which returns an error if the directory cannot be used")
	}

	defer func() {
		if v := recover(); v != nil {
			panic(asOurs(fmt.Sprint(v)))
		}
	}()

	codec, err := cookie.New(o.cookie(), o.keys()...)
	if err != nil {
		panic(err.Error())
	}
	sessions := session.New(o.session(codec.MaxAge()))
	if age := sessions.Options().LinkAge; codec.MaxAge() < 2*(age+age/5) {
		panic(fmt.Sprintf("mirage: Options.CookieAge is %v, and a link lives up to %v: "+
			"a cookie would expire under an open link; raise CookieAge to twice that, or lower LinkAge",
			codec.MaxAge(), age+age/5))
	}

	who := middleware.New(o.middleware(codec, sessions))
	return &Live{
		codec: codec, sessions: sessions, who: who,
		links:  who.Guard(transport.Handler(sessions, o.Transport)),
		script: transport.Script(),
	}
}

// asOurs rewrites the panic text of a part so that it uses the option names of this
// package.
func asOurs(text string) string {
	return strings.NewReplacer(
		"cookie: MaxAge", "mirage: Options.CookieAge",
		"cookie.Options.MaxAge", "CookieAge",
		"cookie: ", "mirage: Options: ",
		"middleware: Options.Timeout", "mirage: Options.HookTimeout",
		"middleware: ", "mirage: ",
		"session: ", "mirage: ",
		"sse: Options", "mirage: Options.Transport.SSE",
		"poll: Options", "mirage: Options.Transport.Poll",
		"websocket: Options", "mirage: Options.Transport.WebSocket",
	).Replace(text)
}

// Sessions returns the session layer. Use it for operations that Live has no method for,
// such as Finish, End, Revalidate and Move.
func (l *Live) Sessions() *session.Manager { return l.sessions }

// Codec returns the Codec that signs and verifies ids. Use it if your program hands out
// signed ids itself.
func (l *Live) Codec() *cookie.Codec { return l.codec }

// Middleware returns the middleware that identifies requests. Use it for a transport of
// your own, or if several Lives wrap one handler.
func (l *Live) Middleware() *middleware.Middleware { return l.who }

// Identify is the middleware for pages. It gives every visitor an id (see ID). It never
// calls Options.Validate for a signed id, so it locks nobody out. It may wrap everything,
// including the live URL.
func (l *Live) Identify(next http.Handler) http.Handler { return l.who.Identify(next) }

// Guard is like Identify, but it also calls Options.Validate for an id that a request
// presents, and refuses the page if Validate refuses the id. The live URL guards itself,
// whatever middleware wraps it. Guard is not a log-in check: a visitor without an id gets
// one and is let in. HEAD, OPTIONS and requests from foreign pages are let in, too, and
// their ID is "". A page that is for users only must check the log-in itself.
func (l *Live) Guard(next http.Handler) http.Handler { return l.who.Guard(next) }

// ID returns the mirage id of a request behind Identify or Guard. It returns "" for a
// request without an identity (see middleware.FromContext). After Rotate it returns the
// new id.
func (l *Live) ID(r *http.Request) string {
	id, _ := middleware.FromContext(l.who.Context(r.Context()))
	return id.ID
}

// Rotate gives the visitor a new id, moves the session with its messages to it, and
// revokes the old id. Call it at every log-in, in a handler behind Identify or Guard,
// before the response is written: after that, the cookie with the new id is lost without
// an error. Rotate may return both an id and an error: see middleware.Rotate.
func (l *Live) Rotate(w http.ResponseWriter, r *http.Request) (id string, err error) {
	return middleware.Rotate(w, r.WithContext(l.who.Context(r.Context())))
}

// Logout ends the visitor's session and all its tabs, revokes the id, and expires the
// cookie. Call it before the response is written: after that, the cookie stays. See
// middleware.Logout.
func (l *Live) Logout(w http.ResponseWriter, r *http.Request) error {
	return middleware.Logout(w, r.WithContext(l.who.Context(r.Context())))
}

// Revoke ends a session and all its tabs for good: values signed for the id until now are
// no longer valid. It revokes the id even if there is no session. If sessions are in
// memory, a restart forgets the revocation. See session.Manager.Revoke.
func (l *Live) Revoke(ctx context.Context, id string) error { return l.sessions.Revoke(ctx, id) }

// Send appends a message to the session id and returns its position in the log. It does
// not wait for any tab. A nil error means that every tab will get the message or be told
// that it is lost. The error is ErrNotFound if there is no session, ErrFull if there is
// no room, ErrTooLarge or ErrEvent if msg is invalid, and ErrClosed after Shutdown. After
// ErrUncertain the message may be in the log.
func (l *Live) Send(ctx context.Context, id string, msg Message) (Position, error) {
	return l.sessions.Send(ctx, id, msg)
}

// SendTo is like Send, but for one tab of the session. reader is the tab's name, as in
// Reader and Incoming. The empty name means every tab: Incoming.Reader is empty for
// messages that were not sent by a Mirage client, such as a POST by curl, a form or htmx.
func (l *Live) SendTo(ctx context.Context, id, reader string, msg Message) (Position, error) {
	return l.sessions.SendTo(ctx, id, reader, msg)
}

// Topic returns the topic of that name: a room, a document, the notices of one user. It
// does no I/O. See session.Manager.Topic.
func (l *Live) Topic(name string) *Topic { return l.sessions.Topic(name) }

// Broadcast appends a message to every session. See session.Manager.Broadcast.
func (l *Live) Broadcast(ctx context.Context, msg Message) (Sent, error) {
	return l.sessions.Broadcast(ctx, msg)
}

// Stats returns how many sessions, links and topics there are on this node. See
// session.Manager.Stats.
func (l *Live) Stats() Stats { return l.sessions.Stats() }

// Shutdown tells every client to reconnect after a random delay of at most ten seconds.
// It returns nil when every link has ended and every callback has returned, or ctx's
// error if ctx ends first. The Live accepts no links afterwards. Call it before
// http.Server.Shutdown, which also ends links but does not wait for callbacks.
//
// Then it closes Options.Dir, so that the next process can open it. A log-out or a log-in
// that comes later fails. Nothing is kept of what callbacks do that ctx has not left time
// for.
func (l *Live) Shutdown(ctx context.Context) error {
	err := l.sessions.Shutdown(ctx)
	if l.store != nil {
		err = errors.Join(err, l.store.Close())
	}
	return err
}

// Value returns the value that Options.Value returned for the request behind a callback.
// ok is false if the value is not a T, or if there is no such request: a session expired,
// a reader's node died, or the application ended the session.
func Value[T any](ctx context.Context) (v T, ok bool) {
	v, ok = session.Value(ctx).(T)
	return v, ok
}
