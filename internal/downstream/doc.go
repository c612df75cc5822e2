// Package downstream writes the messages of a link (a connection of a client) to the
// wire. A Pump takes batches from the link, encodes them as event blocks, and writes each
// batch in one write to an Out (an output): through net/http (Response), on a hijacked
// connection (Hijacked), or as frames of a WebSocket (transport/websocket). The
// transports share this package for the downstream direction. A plain client, such as an
// EventSource, does not know Mirage's protocol and ignores the hello (the handshake).
package downstream
