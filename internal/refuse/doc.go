// Package refuse refuses a request in a form that its client can read: as a problem (RFC
// 9457), as the close code of a WebSocket, because browsers hide the status of a
// handshake from the page, or as an event stream that ends, because an EventSource never
// reconnects after a status other than 200.
package refuse
