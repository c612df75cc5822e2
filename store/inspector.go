package store

import (
	"context"
	"iter"
	"time"
)

// An Inspector is a Store that describes what it keeps, for operators. Nothing that it
// does counts as use: it extends no retention, and changes nothing. What it returns of
// one session or topic is of one moment. Sessions and topics are those on all nodes.
//
// A session may still be there for a while when its retention is over, until Expired ends
// it. Messages whose TTL is over may still count, until the next step of their log.
type Inspector interface {
	Store

	// Usage returns how much the store holds.
	Usage(ctx context.Context) (Usage, error)
	// InspectSessions yields the sessions in no particular order, and asks a remote store
	// for a few at a time. A session that begins, ends or moves meanwhile may be missing.
	// After an error there is no more.
	InspectSessions(ctx context.Context) iter.Seq2[SessionSummary, error]
	// InspectSession describes the session id. The error is ErrNotFound if there is none,
	// also for an id from which the session has moved.
	InspectSession(ctx context.Context, id string) (SessionDetail, error)
	// SessionMessages returns the messages of the session id that it retains, and whose
	// numbers are above after: at most max of them, and at most 1000. Entry.Reader is set
	// for those that are for one reader alone. The error is that of InspectSession. The
	// messages are shared, and not to be changed.
	SessionMessages(ctx context.Context, id string, after uint64, max int) ([]Entry, error)
	// InspectTopics yields the topics that have begun, in no particular order. A remote
	// store may have to look through all of its keys. After an error there is no more.
	InspectTopics(ctx context.Context) iter.Seq2[TopicSummary, error]
}

// MaxInspected is how many messages SessionMessages returns at most.
const MaxInspected = 1000

// Usage is how much a store holds. A number that the store does not know is -1.
type Usage struct {
	Sessions int // the number of sessions
	Topics   int // the number of topics; -1 on Redis
	// the memory of all sessions and topics, as the budget counts it; on Redis, all that
	// Redis uses
	Bytes  int64
	Budget int64 // the bound of Bytes; -1 if there is none. On Redis, its maxmemory
}

// A SessionSummary describes a session in a list.
type SessionSummary struct {
	ID       string
	Messages int           // that it retains
	Bytes    int64         // their sizes together
	Readers  int           // that it remembers
	Links    int           // of all readers together, on all nodes
	Idle     time.Duration // since its last link ended, or it began; 0 while it has one
}

// A SessionDetail describes one session.
type SessionDetail struct {
	SessionSummary
	Epoch         uint64
	First         uint64         // the number of the oldest message that is retained; Top+1 if there is none
	Top           uint64         // the number of the newest message
	Mark          uint64         // up to which some reader has acknowledged everything
	Bounds        Bounds         // a store may keep durations in milliseconds
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
	Sent   uint64        // what was sent to it; at least Acked. Redis knows no more, unless Plain
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
