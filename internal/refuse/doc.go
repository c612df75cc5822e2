// Package refuse says no in the form that the client at hand can read: as a problem (RFC
// 9457), as the close code of a WebSocket, because browsers hide the status of a
// handshake from the page, or as an event stream that ends, because an EventSource that
// got anything but 200 never comes back.
package refuse
