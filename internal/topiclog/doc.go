// Package topiclog is the log of one epoch of a topic, as a store keeps it in memory:
// what is retained, what supersedes what, what grows, and what a reader at a place still
// needs. It knows no locks, no budget and no other node: that is the store's part.
//
// A reader's place c means that it has every message up to number c, and of each growing
// message all pieces up to number c. Each piece has a number of its own. A reader that is
// behind gets several pieces in one entry, under the number of the first one that it
// lacks. What it then has beyond its place is noted in its cursor (Ahead), so that it
// gets nothing twice.
package topiclog
