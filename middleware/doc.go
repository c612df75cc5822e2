// Package middleware finds out who makes a request, before anything is upgraded, streamed
// or stored: the mirage id. Package mirage wires it up; by hand it goes like this:
//
//	codec, err := cookie.New(cookie.Options{}, key)
//	...
//	who := middleware.New(middleware.Options{
//		Codec: codec, Sessions: sessions, Validate: …,
//	})
//	r := chi.NewRouter()
//	r.Use(who.Identify)
//	r.Get("/", func(w http.ResponseWriter, r *http.Request) {
//		id, ok := middleware.FromContext(r.Context())
//		...
//	})
//	r.With(who.Guard).Handle("/live", transport.Handler(sessions, transport.Options{}))
//
// Identify gives every visitor an id. Guard asks Options.Validate as well, and stands
// before the transports.
//
// # What happens to a request
//
//  1. A page of a foreign origin gets no identity, whatever it sends: FromContext is
//     false, Require says 403. See Options.Origins.
//  2. An id is looked for in the query key _mirage ("~" and a signed value), then in the
//     cookie. The first that verifies counts; forged and expired values count as absent.
//     A navigation never takes an id from the query: a link cannot plant one.
//  3. A valid link token in the header Mirage-Link, of that same id, ends it here: the
//     hooks ran when the link began. It counts on POST, DELETE and on a GET with the
//     query key _wait, and for the transports alone: Require has the identity,
//     FromContext has none.
//  4. The id that came goes to Sessions.Resolve and, in Guard, to Options.Validate, which
//     refuses it, takes it or replaces it. Where none came, Options.Generate makes one.
//     Never both.
//  5. The cookie is set, if it is due, and the request goes on with the Identity in its
//     context. What is refused goes no further, and gets an answer that this client can
//     read.
//
// # What becomes of an id that was revoked or rotated
//
// A value that was signed before Manager.Revoke, Logout or Rotate counts for nothing any
// more. For links (Require) it is 410, which is final; for ten seconds after a Rotate it
// is 503, come back soon, because the response with the new cookie may be on its way. For
// routes of the application (FromContext) it is as if none had come: the visitor gets a
// new id and cookie, so that a dead cookie never stands before the log-in form. For ten
// seconds that new identity is for the one request alone and sets no cookie, because a
// log-in may be under way. A route's answer decides about the cookie; a link's answer
// only once the link is granted (Identity.Grant).
//
// What is signed for a request bears the time at which the middleware first looked at it,
// by the Store's clock (Sessions.Now): whatever is revoked between that and the answer
// stays revoked.
//
// HEAD and OPTIONS have no identity and change nothing.
//
// # What must be true around it
//
// The ResponseWriter is passed on as it is. A proxy must hand on the headers Origin,
// Sec-Fetch-* and Cookie as they came, and ought to hand on Host; where it changes Host,
// name the site in Options.OwnOrigins. Neither X-Forwarded-Proto nor any other forwarded
// header is read, because a client can write them, too. The id is no secret and may be
// shown; a signed value and a link token admit, and belong in no log: keep queries out of
// the proxy's access log.
//
// Under Use the middleware also runs for paths that nobody serves; With, Group and Route
// confine it, and the hooks then know the route. To bound what one address may ask for,
// put a rate limit such as httprate around it: of itself it bounds hooks, not visitors.
//
// # What a client can forge
//
// A program can send any header, so everything here is about what a page can make
// somebody else's browser send. On plain http browsers send no Sec-Fetch-Site, and a
// foreign page's no-cors GET looks like ours: SameSite keeps the cookie out of it, and
// Require asks for more.
package middleware
