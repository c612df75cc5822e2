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
// it. (A pattern "GET /" conflicts with that: write "GET /{$}", or "/".) The page has its
// half:
//
//	<script type="module">
//	  import Mirage from '/live/mirage.js'
//	  const client = new Mirage()
//	  client.on('message', said => …)
//	  client.send('hello')
//	</script>
//
// A visitor has an id, in a signed cookie. The id has a session: one bounded log of
// messages, into which [Live.Send] writes. Each tab reads the log through whatever
// transport works, and goes on where it was after a reconnect, a reload or a change of
// transport. What tabs send arrives at Options.OnMessage, once and in order.
//
// The parts are packages of their own, and can be composed by hand: see the example
// ByHand. The example LogIn has accounts. Package middleware says who gets an id and what
// a stranger can forge, package session what is kept and for how long, package transport
// what is served.
package mirage

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport"
)

// A Live is a live URL and the sessions behind it. It is safe for concurrent use. Make
// one with New, and end it with Shutdown.
type Live struct {
	codec    *cookie.Codec
	sessions *session.Manager
	who      *middleware.Middleware
	links    http.Handler
	script   http.Handler
}

// New returns a Live. It panics if the options are impossible, and the message says what
// to change.
func New(o Options) *Live {
	if o.Logger == nil {
		o.Logger = slog.Default()
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

// asOurs lets the panic of a part name the options as they are called here.
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

// Sessions is the session layer: for what has no method here, such as Finish, End,
// Revalidate and Move.
func (l *Live) Sessions() *session.Manager { return l.sessions }

// Codec signs and verifies ids: for programs that hand out signed ids by themselves.
func (l *Live) Codec() *cookie.Codec { return l.codec }

// Middleware finds out who makes a request: for transports of your own, and where several
// Lives stand before one handler.
func (l *Live) Middleware() *middleware.Middleware { return l.who }

// Identify is the middleware for pages. It gives every visitor an id, see ID, and never
// asks Options.Validate about one that was signed, so that it locks nobody out. It may
// stand before everything, the live URL included.
func (l *Live) Identify(next http.Handler) http.Handler { return l.who.Identify(next) }

// Guard is Identify that asks Options.Validate about an id that came, and refuses the
// page where that refuses the id. The live URL guards itself, whatever stands before it.
// Guard is no log-in: a visitor without an id gets one and is let in, and so are HEAD,
// OPTIONS and requests of foreign pages, for which ID is "". A page for users alone looks
// at who is logged in by itself.
func (l *Live) Guard(next http.Handler) http.Handler { return l.who.Guard(next) }

// ID returns the mirage id of a request behind Identify or Guard. It is "" for a request
// without an identity, see middleware.FromContext. After Rotate it is the new one.
func (l *Live) ID(r *http.Request) string {
	id, _ := middleware.FromContext(l.who.Context(r.Context()))
	return id.ID
}

// Rotate gives the visitor of a request behind Identify or Guard a new id, with the
// session and its messages, and revokes the old one: call it at every log-in. It must be
// called before the response is written: later nobody notices that the cookie with the
// new id does not arrive. An error may come with an id: see middleware.Rotate.
func (l *Live) Rotate(w http.ResponseWriter, r *http.Request) (id string, err error) {
	return middleware.Rotate(w, r.WithContext(l.who.Context(r.Context())))
}

// Logout ends the session of the visitor and all its tabs, revokes the id, and expires
// the cookie. It must be called before the response is written: later the cookie stays.
// See middleware.Logout.
func (l *Live) Logout(w http.ResponseWriter, r *http.Request) error {
	return middleware.Logout(w, r.WithContext(l.who.Context(r.Context())))
}

// Revoke ends a session and all its tabs, for good: what was signed for the id until now
// counts for nothing any more. Without a session it revokes the id all the same. With
// sessions in memory a restart forgets that. See session.Manager.Revoke.
func (l *Live) Revoke(ctx context.Context, id string) error { return l.sessions.Revoke(ctx, id) }

// Send appends a message to the session id, and returns its position in the log. It waits
// for no tab: a nil error says that every tab will get the message, or be told that it is
// lost. ErrNotFound without a session, ErrFull without room.
func (l *Live) Send(ctx context.Context, id string, msg Message) (Position, error) {
	return l.sessions.Send(ctx, id, msg)
}

// SendTo is Send for one tab of the session, by the name that Reader and Incoming have.
// The empty name is every tab: a message that no client of ours has sent (a POST by curl,
// a form or htmx) has no Incoming.Reader.
func (l *Live) SendTo(ctx context.Context, id, reader string, msg Message) (Position, error) {
	return l.sessions.SendTo(ctx, id, reader, msg)
}

// Broadcast appends a message to every session. See session.Manager.Broadcast.
func (l *Live) Broadcast(ctx context.Context, msg Message) (Sent, error) {
	return l.sessions.Broadcast(ctx, msg)
}

// Shutdown tells all clients to come back in a while, spread over some seconds, and
// returns when every link has ended and every callback has returned, or ctx ends. Call it
// before http.Server.Shutdown, which ends links as well, but waits for no callback.
func (l *Live) Shutdown(ctx context.Context) error { return l.sessions.Shutdown(ctx) }

// Value returns what Options.Value made of the request that a callback is about. ok is
// false if that is no T, and where there is no such request: a session that expired, a
// reader whose node died, an end by the application.
func Value[T any](ctx context.Context) (v T, ok bool) {
	v, ok = session.Value(ctx).(T)
	return v, ok
}
