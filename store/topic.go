package store

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// A TopicStore is a Store that also keeps topics. On a Store that is none, a Manager
// returns ErrUnsupported for everything that concerns topics.
type TopicStore interface {
	Store

	// Topic returns the topic of that name with its bounds, without I/O. The name must
	// have passed CheckTopic. All calls for one name pass the same bounds.
	Topic(name string, b TopicBounds) Topic
}

// A Topic is a named log (a room, a channel) that is read where it is: what it retains
// does not depend on who has read it. Every method is one atomic step, and safe for
// concurrent use.
//
// A topic begins when it is first used, with an epoch of its own. It is forgotten once it
// was not used for TopicBounds.Age. Publish, Begin, Position and Enter count as use, and
// so does a Read by a reader that has joined.
type Topic interface {
	// Name returns the topic's name.
	Name() string

	// Publish appends p, and returns the position after it. It waits for no reader. The
	// message is shared from now on and must not change.
	//
	// If the topic has no room, the oldest messages leave, and readers that did not get
	// them are told of the gap. A message that still grows leaves only if there is no
	// other. The error is ErrFull if the memory of the store has no room, even if all
	// messages of the topic left. For a piece, it is ErrSealed if the growing message is
	// complete, ErrTooLarge if it would be larger than TopicBounds.MaxGrown, and
	// ErrNotFound if p.Continues and the topic does not retain its beginning.
	Publish(ctx context.Context, p Publication) (TopicPosition, error)

	// Position returns the position after the last message, and makes the topic begin if
	// it has not.
	Position(ctx context.Context) (TopicPosition, error)

	// Begin is Position for a client that joins. If the topic has not begun, and more
	// than three quarters of the store's memory are used, the error is ErrBudget.
	Begin(ctx context.Context) (TopicPosition, error)

	// Read appends to dst what follows the cursor, and moves the cursor. It stops before
	// the sum of the sizes would exceed max bytes, but returns at least one entry if
	// there is one. After a gap, messages that still grow come first and whole, and the
	// reader is beyond the gap only when it has them. A reader whose cursor is in an
	// epoch that has ended gets the rest of that epoch, while it is retained.
	Read(ctx context.Context, c *TopicCursor, max int, dst []TopicEntry) ([]TopicEntry, TopicTail, error)

	// End ends the topic's epoch, its presence included. The next step makes the topic
	// begin anew, under another epoch. The error is ErrNotFound if it has not begun.
	End(ctx context.Context) error

	// Watch calls wake after anything that a reader of this topic must see. news says
	// what it was. Calls are hints, which may be lost, doubled or late. wake must not
	// block. stop ends the watch, but a call that has begun may still arrive.
	Watch(wake func(news TopicNews)) (stop func())

	// Enter records that the session id is present, through the entrance n, with info as
	// its Info. It returns the member's key. A member is present while it has at least
	// one entrance. To enter again through the same entrance replaces the info.
	Enter(ctx context.Context, id string, n uint64, info []byte) (key string, err error)

	// Exit removes an entrance. It does nothing if there is none of that number.
	Exit(ctx context.Context, id string, n uint64) error

	// Members returns the members, in the order in which they came.
	Members(ctx context.Context) ([]Member, error)
}

// TopicNews says what happened to a topic.
type TopicNews uint8

const (
	TopicNewsEntries TopicNews = 1 << iota // a message, or the end of the epoch
	TopicNewsMembers                       // somebody came, left, or changed the info
)

// TopicBounds limit what one topic retains. They depend on its name alone.
type TopicBounds struct {
	MaxMessages int           // the highest number of messages; a growing message counts as one
	MaxBytes    int64         // their sizes together; the newest message alone may be larger
	MaxGrown    int           // the highest length of one growing message, in bytes
	Age         time.Duration // how long a message is retained, and the topic itself after its last use
}

// A Publication is what Publish appends.
type Publication struct {
	// Message is the whole message, or with Grows a piece of one. Event and Key identify
	// a message that can be superseded or grow: a newer one with the same Event and Key
	// takes its place. A message without Key is never superseded.
	Message *Message
	// Grows says that Data is appended to the growing message of that Event and Key,
	// which begins with this piece if there is none. Data is valid UTF-8. Key must not be
	// empty.
	Grows bool
	// Continues says that this is not the first piece.
	Continues bool
	// Done seals the growing message after this piece, which may be empty. A message that
	// is sealed does not grow any more.
	Done bool
}

// A TopicCursor is one reader's place in a topic. Read moves it. It is a plain value,
// except for Ahead, and belongs to one goroutine at a time.
type TopicCursor struct {
	// At is the position up to which the reader has everything, as far as it is retained.
	// The zero position is that of no epoch: the reader begins at the start of the topic,
	// as with BeginStart.
	At TopicPosition
	// Begin says how the reader begins, until it has read all growing messages whole.
	Begin Begin
	// Whole is where the reader is among the growing messages that it reads whole.
	Whole TopicWhole
	// Ahead has the length that the reader has of each growing message of which it has
	// read more than At says, by the number of the message's first piece. Read replaces
	// it, and sets it to nil once the reader has everything.
	Ahead map[uint64]int
}

// A TopicWhole is a place among growing messages that are read whole.
type TopicWhole struct {
	First  uint64 // the number of the message's first piece
	Offset int    // how much of it was read, in bytes
}

// Begin says how a reader begins.
type Begin uint8

const (
	BeginAfter Begin = iota // after its cursor, with nothing else
	BeginNow                // after its cursor, but first all messages that still grow, whole
	BeginStart              // at the start of the topic, but first all messages that still grow, whole
	BeginWhole              // for the Store: within BeginStart, or after a gap
)

// A TopicEntry is one block for a reader of a topic: a message, a piece of one, or a gap.
type TopicEntry struct {
	// Seq is the number that the reader has reached with this entry. It is 0 for a
	// message that still grows and is read whole: it moves the reader nowhere.
	Seq uint64
	// Message is nil for a gap. For a growing message, its Data is what follows Offset.
	// It is shared, and not to be changed.
	Message *Message
	Grows   bool   // the message grows: Offset and Done count
	Offset  int    // where Data begins in the growing message, in bytes; 0 replaces what the reader has of it
	Done    bool   // the message is complete
	Epoch   uint32 // of Seq
	// Lost is what left the topic before the reader got it; zero if nothing. To is 0 if
	// that is not known. Reason says why.
	Lost   Lost
	Reason Missing
}

// TopicTail is what Read returns beside the entries.
type TopicTail struct {
	More  bool // there are entries beyond those given
	Ended bool // the cursor is in an epoch that has ended: unless More, the reader has all of it
}

// A Member is a session that is present in a topic.
type Member struct {
	ID string // the session's id
	// Key names the member towards clients, in this topic alone. It does not tell the id.
	Key  string
	Info []byte // JSON, as passed to the last Enter; nil for none
}

// MaxTopic is the longest name of a topic, in bytes.
const MaxTopic = 128

// CheckTopic returns nil if name may be the name of a topic: 1 to MaxTopic characters of
// [A-Za-z0-9._:/~-], and no name that is reserved for events. Otherwise the error wraps
// ErrTopic, and says what is wrong with the name. Clients cannot join topics whose names
// begin with "~": see ServerOnly.
func CheckTopic(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: it is empty", ErrTopic)
	case len(name) > MaxTopic:
		return fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrTopic, len(name), MaxTopic)
	case strings.ContainsFunc(name, func(r rune) bool { return !isTopicRune(r) }):
		return fmt.Errorf("%w: it must consist of letters, digits and . _ : / ~ -", ErrTopic)
	}
	if err := CheckEvent(name); err != nil {
		return fmt.Errorf("%w: it is reserved; "+
			"choose a name that does not begin with mirage and is not open, error or close", ErrTopic)
	}
	return nil
}

func isTopicRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
		strings.ContainsRune("._:/~-", r)
}

// ServerOnly reports whether only the server joins the topic: its name begins with "~".
func ServerOnly(topic string) bool { return strings.HasPrefix(topic, "~") }
