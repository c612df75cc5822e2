// Package plain holds tests alone: clients of other people, as docs/plain.md shows them,
// against a real server behind a faulty network.
package plain
