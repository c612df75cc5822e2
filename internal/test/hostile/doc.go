// Package hostile holds only tests: hostile requests to a running server on a real port,
// and their effect on everybody else.
//
//   - malformed_test.go: one table of everything that can be wrong with a request, sent
//     as bytes because net/http's client would refuse to send it
//   - slow_test.go: requests that do not end
//   - frames_test.go: malformed WebSocket frames, and too many of them
//   - upgrade_test.go: requests for a WebSocket that are refused, and what follows them
//   - floods_test.go: too many handshakes, sessions, names, links (connections) and
//     messages
//   - shutdown_test.go, restart_test.go: five hundred links through a shutdown, and
//     clients through a restart under traffic
//   - chat_test.go: the same for the program that the README starts
//   - recipes_test.go: the Go code of docs/operations.md, character for character
//
// In each of them a well-behaved client runs beside the attack. All its messages must
// arrive once, in order and without delay.
package hostile
