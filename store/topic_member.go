package store

import "context"

// Memberships are the steps of a Log that concern the topics that its links read. A link
// learns by Tail.Topics that a step has changed what it reads, whichever node took it.
type Memberships interface {
	// JoinTopic makes the session, a reader or a link a member of a topic. Joining twice
	// is joining once: the first join's At and Begin stay. Info, if it is not nil,
	// replaces the earlier one. Each JoinTopic of a link changes TopicJoined.Asked,
	// because its client asks to be told again. The error is ErrTopics if a link would
	// read more than Max topics, and ErrNotFound or ErrRenewed if there is no such reader
	// or link. It is ErrRemoved if a link joins, and j.Removals is not what Removals
	// returns now. Memberships of the session outlive all links, and a Move, and end with
	// the session. On a Store that is no TopicStore, every step returns ErrUnsupported.
	JoinTopic(ctx context.Context, j TopicJoin) error

	// LeaveTopic ends memberships.
	LeaveTopic(ctx context.Context, l TopicLeave) error

	// Removals returns how many calls of LeaveTopic, of those without Epochs, named the
	// session or a reader. Whoever decides about a join of a link asks before, because a
	// decision is void if the application has removed the session meanwhile.
	Removals(ctx context.Context) (uint64, error)

	// Topics returns the topics that a link reads, in the order in which they were first
	// joined, and what its client is to be told. Tail.Topics changes whenever the result
	// may have changed. If the link has another turn already, the result is empty.
	Topics(ctx context.Context, l LinkRef) (TopicsOfLink, error)

	// TopicTold records what the link's client was told of a topic: the request that next
	// carries the link does not tell it again.
	TopicTold(ctx context.Context, l LinkRef, topic string, told TopicTold) error

	// AckTopics records that the client has everything of these topics up to these
	// positions. It is refused as Ack is. One of a topic without a membership
	// acknowledges nothing. One of another epoch than the last replaces it. For a
	// membership of the session or a reader, the next link without a position of its own
	// begins at the highest position that was acknowledged.
	AckTopics(ctx context.Context, l LinkRef, at []TopicPosition) error
}

// A TopicJoin makes a session, one of its readers, or one link a member of a topic.
type TopicJoin struct {
	Topic string
	// Link says who joins. Without a Reader, that is the whole session: every link that
	// it has and gets. Without a Number, it is the reader, as long as it is remembered.
	// Otherwise it is that link alone, whichever request carries it.
	Link LinkRef
	// At and Begin say where a link begins that presents no position of the topic. At is
	// set in any case.
	At    TopicPosition
	Begin Begin
	Info  []byte // for presence; JSON, nil for none
	// Again makes no membership. If there is none, the error is ErrNotFound.
	Again bool
	// Removals is what Log.Removals returned before the join of a link was decided. It
	// does not count with Again.
	Removals uint64
	// Max is the highest number of topics that one link may read. The join is refused
	// with ErrTopics if a link would have more.
	Max int
}

// A TopicLeave ends memberships in a topic, and tells links about it.
type TopicLeave struct {
	Topic string
	// Link says whose membership ends. Without a Reader, all memberships of the session
	// end: its own, and those of its readers and links. Without a Number, those of the
	// reader and its links. Otherwise it is that of the link alone.
	Link LinkRef
	// Epochs, if not empty, ends only memberships whose place is in one of these epochs,
	// which have ended. A membership that was joined again in a later epoch goes on
	// there.
	Epochs []uint32
	// Notice is for the clients of the links that do not read the topic any more. If it
	// is zero, nothing is told. The link that Link names is told in any case: its join
	// was refused.
	Notice TopicNotice
}

// TopicTold is what a link's client was told of a topic that it reads.
type TopicTold struct {
	Asked   uint64        // that it has joined: TopicJoined.Asked then
	At      TopicPosition // where it had joined
	Members uint64        // a hash of the members that it was told; 0 for none
}

// A TopicNotice tells a client why it is not a member of a topic.
type TopicNotice struct {
	Topic  string
	Status int    // an HTTP status; after 429 and 503, the client joins again later
	Reason string // in words
	Retry  int64  // how many milliseconds the client waits before that; 0 leaves it to the client
}

// Code returns the word for why: see docs/operations.md, section Reasons.
func (n *TopicNotice) Code() string {
	switch n.Status {
	case 400:
		return "malformed"
	case 410:
		return "ended"
	case 413:
		return "topics"
	case 429:
		return "rate"
	case 501:
		return "unsupported"
	case 503:
		return "failed"
	}
	return "refused" // 403, or a status that Options.OnJoin chose
}

// Later reports whether the client joins again later.
func (n *TopicNotice) Later() bool { return n.Status == 429 || n.Status == 503 }

// TopicsOfLink is what Log.Topics returns.
type TopicsOfLink struct {
	Version uint64 // as in Tail.Topics
	Joined  []TopicJoined
	Notices []TopicNotice // one caller alone gets each
}

// TopicJoined is a topic that a link reads.
type TopicJoined struct {
	Topic string
	At    TopicPosition // where the link begins without a position of its own
	Begin Begin
	Acked TopicPosition // what the link's reader has acknowledged; zero for nothing
	Whole bool          // the session is a member
	Info  []byte        // of the last join that had one
	// Asked is above 0, and increases each time that the link's client asks to join.
	// Began is that of the join that made the oldest of the link's memberships in the
	// topic. If it is above an Asked that the link knew before, all earlier memberships
	// have ended.
	Asked, Began uint64
	Told         TopicTold // that of the last call of Log.TopicTold for this link; zero before the first
}
