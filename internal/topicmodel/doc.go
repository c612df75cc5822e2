// Package topicmodel says in the simplest code what a topic must do. It is for tests. A
// Log is one epoch of a topic. A Reader checks what a reader of the topic is given, and a
// Client puts it together as a browser does. Nothing is ever deleted, and every search
// begins at the start.
package topicmodel

// TB reports failures: a *testing.T or a *rapid.T.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}
