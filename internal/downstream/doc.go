// Package downstream carries what a link has for its client to the wire. A Pump takes
// batches from the link, encodes them as event blocks, and writes each in one write to a
// way out: through net/http (Response), on a connection that was taken over (Hijacked),
// or as the frames of a WebSocket (transport/websocket). What the transports share in
// this direction is here.
package downstream
