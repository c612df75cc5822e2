// Package middleware finds out who makes a request (the mirage id), before anything is
// upgraded, streamed or stored. Package mirage sets it up. By hand, it looks like this:
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
// Identify gives every visitor an id. Guard also calls Options.Validate. Wrap the
// transports in Guard. Through a transport a client opens a link (a connection). A client
// object is one page load of mirage.js, or one program. It names itself with the query
// key _cid, and is a reader (a subscriber) of the session. A plain client, such as an
// EventSource or curl, does not use mirage.js or its protocol: it sends no _cid and
// acknowledges nothing. Only the position that it presents tells what it has.
//
// # What happens to a request
//
//  1. A page of a foreign origin gets no identity, whatever it sends: FromContext reports
//     false, Require returns 403. See Options.Origins.
//  2. The middleware looks for an id in the query key _mirage ("~" and a signed value),
//     then in the cookie. The first that verifies counts. Forged and expired values are
//     treated as absent. A navigation never takes an id from the query, so a hyperlink
//     cannot plant one.
//  3. If the header Mirage-Link has a valid link token (the signed name of a link) of
//     that same id, the identity is decided: the hooks ran when the link began. A token
//     counts on POST, on DELETE and on a GET with the query key _wait, and only for the
//     transports: Require returns the identity, FromContext does not.
//  4. An id that the request presents goes to Sessions.Resolve and, in Guard, to
//     Options.Validate, which refuses, accepts or replaces it. If the request presents no
//     id, Options.Generate makes one. A request calls only one of the two;
//     Options.Generate lists the exceptions.
//  5. The cookie is set if it is due, and the next handler is called with the Identity in
//     its context. A refused request stops here, and gets an answer that this kind of
//     client can read.
//
// # What happens to an id that was revoked or rotated
//
// A value that was signed before Manager.Revoke, Logout or Rotate is no longer valid. A
// request to a transport (Require) that presents one gets 410, which is final. For ten
// seconds after a Rotate it gets 503 instead, and retries soon, because the response with
// the new cookie may be on its way. A route of the application (FromContext) treats the
// value as absent: the visitor gets a new id and cookie, so that a revoked cookie never
// blocks the log-in form. For ten seconds that new identity is valid only for this one
// request and sets no cookie, because a log-in may be in progress. A route's answer
// always sets the cookie that is due. A link's answer sets it only once the link is
// granted (Identity.Grant).
//
// Values signed for a request carry the time at which the middleware first looked at it,
// by the Store's clock (Sessions.Now). So an id that is revoked between that time and the
// answer stays revoked.
//
// HEAD and OPTIONS requests have no identity and change nothing.
//
// # What the middleware requires
//
// The ResponseWriter is passed on unchanged. A proxy must pass on the headers Origin,
// Sec-Fetch-* and Cookie unchanged, and should pass on Host. If it changes Host, list the
// site in Options.OwnOrigins. The middleware reads neither X-Forwarded-Proto nor any
// other forwarded header, because a client can write them, too. The id is not a secret
// and may be shown. A signed value or a link token grants access and must not be logged:
// keep queries out of the proxy's access log.
//
// With chi's Use the middleware also runs for paths that no route serves. With, Group and
// Route confine it, and the hooks then know the route. To bound the requests of one
// address, put a rate limit such as httprate around the middleware: on its own it bounds
// hooks, not visitors.
//
// # What a client can forge
//
// A program can send any header. So the checks here concern requests that a page can make
// somebody else's browser send. Over plain http browsers send no Sec-Fetch-Site, and a
// no-cors GET from a foreign page looks like one from ours. SameSite keeps the cookie off
// such a request if the page is on another site, and Require makes further checks.
package middleware
