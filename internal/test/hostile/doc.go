// Package hostile holds tests alone: what strangers send to a running server on a real
// port, and what becomes of everybody else meanwhile.
//
//   - malformed_test.go: one table of everything that can be wrong with a request, sent
//     as bytes because net/http's client would refuse to
//   - slow_test.go: requests that do not end
//   - frames_test.go: what is wrong with a WebSocket's frames, and too many of them
//   - upgrade_test.go: requests for a WebSocket that do not get one, and what follows
//   - floods_test.go: too much of all: handshakes, sessions, names, links, messages
//   - shutdown_test.go, restart_test.go: five hundred links through a shutdown, and
//     clients through a restart under traffic
//   - chat_test.go: the same for the program that the README starts
//   - recipes_test.go: the Go code of docs/operations.md, which is this file's text
//
// In each of them a well-behaved client sits beside, and everything of it arrives once,
// in order and at once.
package hostile
