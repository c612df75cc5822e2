// Package plain holds only tests. They run plain clients, which are clients of other
// projects such as EventSource, as docs/plain.md shows them, against a real server behind
// a faulty network.
package plain
