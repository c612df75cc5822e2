package store

import (
	"context"
	"iter"
	"time"
)

// An Inspector is a Store that describes what it keeps, for operators. Nothing that it
// does counts as use: it extends no retention, and changes nothing. What it returns is of
// one moment, and of the sessions and topics on all nodes.
type Inspector interface {
	Store

	// Usage returns how much the store holds.
	Usage(ctx context.Context) (Usage, error)
	// InspectSessions yields the sessions in no particular order. A session that begins
	// or ends meanwhile may be missing.
	InspectSessions(ctx context.Context) iter.Seq2[SessionSummary, error]
	// InspectSession describes the session id. The error is ErrNotFound if there is none.
	InspectSession(ctx context.Context, id string) (SessionDetail, error)
	// SessionMessages returns at most max messages of the session id that it retains, and
	// whose numbers are above after.
	SessionMessages(ctx context.Context, id string, after uint64, max int) ([]Entry, error)
	// InspectTopics yields the topics that have begun, in no particular order.
	InspectTopics(ctx context.Context) iter.Seq2[TopicSummary, error]
}

// Usage is how much a store holds. A number that the store does not know is -1.
type Usage struct {
	Sessions int   // the number of sessions
	Topics   int   // the number of topics
	Bytes    int64 // the memory of all sessions and topics, as the budget counts it
	Budget   int64 // the bound of Bytes; -1 if there is none
}

// A SessionSummary describes a session in a list.
type SessionSummary struct {
	ID       string
	Messages int           // that it retains
	Bytes    int64         // their sizes together
	Readers  int           // that it remembers
	Links    int           // of all readers together, on all nodes
	Idle     time.Duration // since its last link ended; 0 while it has one
}

// A SessionDetail describes one session.
type SessionDetail struct {
	SessionSummary
	Epoch         uint64
	First         uint64 // the number of the oldest message that is retained; Top+1 if there is none
	Top           uint64 // the number of the newest message
	Mark          uint64 // up to which some reader has acknowledged everything
	Bounds        Bounds
	ReaderDetails []ReaderDetail // of each one that it remembers, in the order of their names
	Writers       int            // that it remembers
	Topics        []string       // of which the session, or one of its readers or links, is a member; sorted
}

// A ReaderDetail describes one reader of a session.
type ReaderDetail struct {
	Reader string
	Plain  bool
	Links  int
	Acked  uint64        // what it has acknowledged
	Sent   uint64        // what was sent to it
	Away   time.Duration // since its last link ended; 0 while it has one
}

// A TopicSummary describes a topic.
type TopicSummary struct {
	Name     string
	Messages int   // that it retains
	Bytes    int64 // their sizes together
	Top      uint64
	Members  int // that are present; 0 for a topic without presence
}
