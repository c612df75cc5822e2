// Package downstream carries a session's link to a client: the headers and the hello that begin it, the pump that takes what waits and
// writes it as one text, the ways out, and the refusal where nothing can begin. What the transports share is here; what tells them
// apart is theirs.
package downstream
