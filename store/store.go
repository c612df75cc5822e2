package store

import (
	"context"
	"iter"
	"time"
)

// A Store keeps the sessions: a Log for each, and the state of ids that were moved or
// revoked. Every method is one atomic step, and safe for concurrent use by any number of
// Managers. During a Move, a remote store may show for a moment that neither id has the
// session. No method waits for a message.
//
// A step that a request asks for gets an Asked, and decides in the step itself whether
// the request's value is still valid (I13): no session is made, joined or moved under an
// id that was revoked after its value was signed.
//
// Errors are those of this package. A remote store that cannot know whether a step took
// place returns ErrUncertain. Every step may be repeated after that. The store bounds the
// time of each step on its own: for a link or a turn, a Manager passes a context that
// does not end with the request, so that neither is granted to a request that has ended.
// The store takes back what an Attach or Begin may have granted that returned
// ErrUncertain.
type Store interface {
	// Now returns the Store's time, without I/O. It is never ahead of the clock that
	// stamps End and Move: a revocation refuses every value that was signed with an
	// earlier Now. After End or Move has returned, the Now of the same Store is later
	// than their stamp.
	Now() time.Time

	// Resolve returns the standing of an id that a request presents. The client continues
	// under Standing.ID. That is id itself, unless a Move with this client moved it at
	// most Keep ago, and the new id has not been presented to Resolve since. An empty
	// client always continues under id.
	Resolve(ctx context.Context, id string, a Asked, client string) (Standing, error)

	// Open returns the log of the session id. If there is no session and create is set,
	// Open makes one with the bounds b, or returns ErrBudget if there is no memory for
	// it. created is true for one caller alone. Without create, the error is ErrNotFound.
	// The retention of a new session runs from now, because it has no links. The error is
	// ErrRevoked if the id was revoked after a.Signed. It is ErrMoved if the request came
	// less than Settle after the id was moved, or before the last Renew. A Store
	// remembers a move for a minute longer than Settle: no request takes that long.
	Open(ctx context.Context, id string, a Asked, create bool, b Bounds) (l Log, created bool, err error)

	// Move renames the session: its id from becomes to. Its links end with ErrMoved, and
	// every Log that Open returned for it before is refused from then on. If to has a
	// session already, that one stays, and gets the messages above the mark of the moved
	// one, as far as there is room. If from has no session, only the id moves. For
	// m.Settle, requests with the old id can neither make nor join a session. If m.Refuse
	// is above zero, the old id is revoked for that long.
	//
	// The error is ErrRevoked or ErrMoved, and nothing has changed, if from was revoked
	// after m.Signed, or to after m.Came. If a remote store finds the latter only during
	// the move, the session ends. left holds the readers that were here under from. Each
	// of them is Joined again when it attaches under to. left is valid even if there is
	// an error.
	Move(ctx context.Context, from, to string, m Moving) (left []Left, err error)

	// End ends the session at once, and returns what was in it. The error is ErrNotFound
	// if there is none. If refuse is above zero, the id is revoked, even without a
	// session: values that were signed until now are refused for that long, links end
	// with ErrRevoked, and no old id leads to the id any more. The error is ErrBudget,
	// and nothing has changed, if the store has no memory to remember the revocation.
	End(ctx context.Context, id string, refuse time.Duration) (Ended, error)

	// Expired ends at most max sessions that have had no link for their retention, and
	// returns each to one caller alone. It also returns the readers whose departure Leave
	// has not reported because their node died. The Due is valid even if there is an
	// error.
	Expired(ctx context.Context, max int) (Due, error)

	// Logs lists the sessions for a broadcast. Each Log takes only Append, whatever the
	// session's id is by then. A session that is made or ends meanwhile may be missing. A
	// session that moves meanwhile is listed exactly once.
	Logs(ctx context.Context) iter.Seq2[Log, error]
}

// A Broadcaster is a Store with a faster way to all logs than Logs.
type Broadcaster interface {
	// Broadcast appends m, which the logs share, to every Log that Logs would list. It
	// calls done with the error that Append would have returned and, if there is one, the
	// session's id. If done returns an error, Broadcast stops and returns that error.
	Broadcast(ctx context.Context, m *Message, done func(id string, err error) error) error
}

// A Remote is a Store whose Open asks another process. A Manager keeps handles of
// sessions that it sends to, and uses each until its log refuses a step.
type Remote interface{ Remote() }

// A Log is one session: the numbered messages for its clients, the readers' places among
// them, and the writers' numbers of upstream messages. Every method is one atomic step,
// and safe for concurrent use. After the session has ended, each returns ErrNotFound,
// ErrMoved or ErrRevoked.
//
// A Log is valid for the id and the move under which it was opened. Once the session has
// moved, every step returns ErrMoved (I12), except Commit, Detach and Leave, which end
// what was begun.
type Log interface {
	// ID returns the id under which the Log was opened. For a Log of Store.Logs, it is
	// the id by which the session was last known.
	ID() string

	// Handle identifies the log and the move under which it was opened.
	Handle() Handle

	// Append numbers m and keeps it. If reader is not empty, m is for that reader alone,
	// and the others skip it. The error is ErrNotFound if the log knows no reader of that
	// name. m is shared from now on and must not change.
	//
	// If room is needed, the oldest entries leave, and no more than necessary. First are
	// those that every reader has passed. Next, if at least one reader has a link, are
	// those that only readers without a link still need. Next, if at least one reader has
	// a link and is not stalled (Bounds.Stall), are those that only stalled readers and
	// readers without a link still need. Beyond that, Bounds.Overflow decides. If the
	// error is ErrFull, no entry has left.
	Append(ctx context.Context, m *Message, reader string) (Position, error)

	// Behind counts the readers that do not have everything up to seq and may still get
	// it: those that have a link, and those that are not plain and whose departure Leave
	// has not reported. A seq of 0 means the top. A plain reader has what it was sent.
	// Behind also returns the top.
	Behind(ctx context.Context, seq uint64) (readers int, top uint64, err error)

	// Attach begins a link. If Claim.Link is set, it continues that link instead. It
	// finds the place from which the link reads:
	//
	//   - after the client's position, if that is in this log, or at the top if it is
	//     beyond;
	//   - after what the reader has acknowledged, if the reader is known, and presents
	//     less than that, a position of another epoch or of a lost history, or none;
	//   - at the beginning, if the reader is new to the log, and presents another epoch's
	//     position;
	//   - at the mark, or for a plain reader after what was sent to any reader, if the
	//     reader is new to the log and presents no position, or one of a lost history.
	//
	// Claim.Asked is refused as by Open. If the session has Bounds.MaxLinks links
	// already, the new one takes the place of the link whose client was heard from least
	// recently, which ends. The first choice is a link of a reader that keeps another
	// link or gets this one: it ends with ErrSuperseded. Otherwise it is a link of any
	// reader, if its client was not heard from for Bounds.Quiet: it ends with ErrCrowded.
	// If there is none, Attach returns ErrCrowded, and nothing has changed.
	Attach(ctx context.Context, c Claim) (Attached, error)

	// Read appends to dst the entries that follow after, or that follow the reader's
	// acknowledgement if that is further, and counts them as sent. It stops before the
	// sum of their Sizes would exceed max bytes, but returns at least one entry if there
	// is one. Messages that were superseded or have expired are passed over, without a
	// gap: see Message.Key and Message.TTL.
	//
	// The error is ErrSuperseded once the client has used a newer link of this reader,
	// and ErrCrowded if the link gave its place to another reader's. It is ErrRenewed if
	// the client must come back: after Renew, or because the store has lost the link's
	// place or forgotten its reader. Read is also the sign of life that keeps a session
	// with links alive, so it must be called at least once per heartbeat.
	Read(ctx context.Context, l LinkRef, after uint64, max int, dst []Entry) ([]Entry, Tail, error)

	// Ack records that the client uses this link, which ends older links of its reader,
	// and that the client has everything up to p. The zero Position, and one of another
	// epoch, acknowledge nothing. A position lower than before changes nothing. One
	// beyond the top is ErrAhead. Ack counts on every link that its reader ever had in
	// this log, as long as the reader is remembered, and returns ErrNotFound after that.
	// It returns ErrRenewed for a link that Renew ended, or that is from before a Move
	// after which the id came back.
	Ack(ctx context.Context, l LinkRef, p Position) error

	// Detach ends the link. left is zero if its reader has another link, and otherwise
	// identifies this departure for Leave. A second call, or one for a link that
	// continues elsewhere (see Claim.Link), changes nothing. With Turn 0, Detach ends the
	// link whichever request carries it.
	Detach(ctx context.Context, l LinkRef) (left uint64, err error)

	// Leave reports whether the reader has not come back since the departure left. It
	// reports that to one caller alone.
	Leave(ctx context.Context, reader string, left uint64) (gone bool, err error)

	// Quit forgets the link's reader, and ends its links. The error is ErrNotFound if
	// there is no such reader, and ErrRenewed after Renew. here reports whether Leave has
	// not yet reported the reader's departure. If no reader remains, the session ends,
	// and ended holds what was in it.
	Quit(ctx context.Context, l LinkRef) (here bool, ended *Ended, err error)

	// Renew ends every link of the session. Their clients come back on new ones, and lose
	// nothing. From then on, no step of an ended link is granted, and no request that
	// came before can begin a link, because its hook may have run before Renew.
	Renew(ctx context.Context) error

	// Begin asks for the turn to handle message n of the writer, which came on the link
	// l. It is refused as Ack is. The zero LinkRef is never refused. base is the lowest
	// number that the client still keeps: a writer that the log does not know begins
	// there, and all lower numbers count as accepted. last is the writer's last accepted
	// number. After TurnDeliver and TurnAgain, the caller handles the message and calls
	// Commit. If its node dies before that, the turn is free again after lease. With n ==
	// 0, Begin only returns last, with TurnDone.
	Begin(
		ctx context.Context, l LinkRef, writer string, base, n uint64, lease time.Duration,
	) (t Turn, last uint64, err error)

	// Commit ends the turn for n. If handled is set, n is accepted from now on. Otherwise
	// its turn can be begun again.
	Commit(ctx context.Context, writer string, n uint64, handled bool) error

	// The session's memberships in topics.
	Memberships

	// Watch calls wake after anything that a link of this log must see: entries,
	// superseded links, changed memberships, the session's end. Calls are hints, which
	// may be lost, doubled or late. wake must not block. stop ends the watch, but a call
	// that has begun may still arrive.
	Watch(wake func()) (stop func())
}

// Bounds limit what one session may hold.
type Bounds struct {
	MaxMessages int      // the highest number of entries
	MaxBytes    int64    // their Size together
	Overflow    Overflow // what happens to a message beyond these bounds
	// how long a session lives without links, and a reader is remembered without one; the
	// same for all sessions of a store
	Retention time.Duration
	// the highest number of links; see Attach for one more. A link that has ended stays
	// until Detach, and at most MaxLinks+32 of those stay
	MaxLinks int
	Quiet    time.Duration // how long a link keeps its place after its client last used it
	// the highest number of readers without a link that are remembered; beyond it, the
	// one that left first is forgotten early
	MaxReaders int
	// the highest number of writers that are remembered; beyond it, the least recently
	// used one is forgotten, unless its message is being handled
	MaxWriters int
	// how long a reader may take nothing, though there is something, before it counts as
	// stalled; 0 means that readers never do
	Stall time.Duration
}

// Overflow chooses what happens to a message for which a log has no room.
type Overflow uint8

const (
	OverflowRefuse Overflow = iota // Send returns ErrFull
	// the oldest entries leave, and readers that have not passed them are told of the gap
	OverflowDropOldest
)

// A Handle identifies a log by its Epoch. Moves counts how often its session had moved to
// another id when the log was opened. Two Logs with equal Handles are interchangeable.
type Handle struct{ Epoch, Moves uint64 }

// A Claim is a client's request for a link.
type Claim struct {
	Asked  Asked
	Reader string // names the client object; never empty
	// a plain client acknowledges nothing: only the position that it presents tells what
	// it has
	Plain bool
	// the number of the link to continue, ErrNotFound or ErrSuperseded if that is
	// impossible; 0 begins a new one
	Link     uint64
	Given    Given    // whether the client presented a position
	Position Position // the position, if Given is GivenPresented
}

// Given says whether a client presented a position.
type Given uint8

const (
	GivenNothing   Given = iota // no position
	GivenPresented              // a position
	GivenMalformed              // a text that is not a position
)

// A LinkRef identifies a link in the log of its session.
type LinkRef struct {
	Reader string
	// counts up within one log from a random start, so that it does not match a link of
	// another log
	Number uint64
	Turn   uint64 // which of the requests that carry the link, one after another
}

// Attached describes a link that was granted to a client.
type Attached struct {
	Link     LinkRef
	Position Position // where the link continues; never beyond what the reader has
	Resumed  bool     // the presented position was found: nothing is missing, and nothing comes twice
	Reason   Missing  // why not, if not resumed
	Lost     Lost     // what the client will never get; zero if nothing
	Sent     uint64   // the highest seq that was ever sent to any reader of this session
	Accepted uint64   // the last number accepted from the writer that has the reader's name
	Previous string   // the id that the session had before Move, while that is remembered
	// the reader was not here before, or was reported gone, even if it is remembered
	Joined bool
	Fresh  bool // before this Attach the log had never known this reader, or had forgotten it
}

// Missing is why a link does not continue at the client's position. Its text is the
// reason in hello.
type Missing string

const (
	// the client presented no position, or one of a session that was revoked under
	// another id
	MissingNoPosition Missing = "new"
	// the session ended and this is a later one; for Options.OnGap also: the reader was
	// forgotten before it got what was for it alone
	MissingExpired   Missing = "expired"
	MissingRestarted Missing = "restarted" // the store was lost or restarted
	// the log exists, but some messages had to leave; the client is told of the gap
	// before the next message. Tail.GapReason says more
	MissingTrimmed    Missing = "trimmed"
	MissingDiverged   Missing = "diverged"  // the position belongs to a history that the store lost
	MissingRelocated  Missing = "moved"     // the session was joined to another one
	MissingAhead      Missing = "ahead"     // the position is beyond the top
	MissingUnreadable Missing = "malformed" // the text is not a position
)

// Why messages left a log before a reader got them: see Tail.GapReason. MissingTrimmed
// means there that the log was full, or that all other readers had them, while the reader
// was away. MissingRestarted means that the store lost them. No hello has the others.
const (
	// a reader with a link took nothing for Bounds.Stall, and the log was full
	MissingStalled  Missing = "stalled"
	MissingOverflow Missing = "overflow" // the log was full, and its Bounds.Overflow is OverflowDropOldest
	MissingBudget   Missing = "budget"   // the memory of all sessions was used up
)

// Lost is a range of messages that the client will never get: those numbered From to To,
// both included. To is 0 if the log does not know the end. The zero Lost is no loss. Use
// Count instead of subtracting.
type Lost struct {
	From, To uint64
	Topic    string  // the topic that lost them, for Options.OnGap; "" for the log of the session
	Reason   Missing // why, for Options.OnGap; "" elsewhere
}

// IsZero reports whether nothing is lost: messages are numbered from 1.
func (l *Lost) IsZero() bool { return l.From == 0 }

// Count returns how many messages are lost. known is false if the log cannot know: for
// example, the session expired, and the length of its log is forgotten.
func (l Lost) Count() (n uint64, known bool) {
	switch {
	case l.IsZero():
		return 0, true
	case l.To < l.From:
		return 0, false
	}
	return l.To - l.From + 1, true
}

// An Entry is one place in the log.
type Entry struct {
	Seq     uint64
	Tag     uint32   // the tag of the position after it
	Message *Message // shared, not to be changed; nil if it is for another reader
	Reader  string   // in Ended, and of an Inspector: the only reader it is for; "" for all
}

// Tail is what Read returns beside the entries.
type Tail struct {
	Gap Lost // what left before the reader got it, directly before the entries; zero if nothing
	// why the entries of Gap left: the reason of the last time that the log gave up
	// entries which some reader still needed, if Gap has any of these, and otherwise
	// MissingTrimmed; "" without a gap
	GapReason Missing
	Tag       uint32 // the tag of the position after the gap
	Told      bool   // the gap was reported to this reader before
	Epoch     uint64 // of the entries
	Acked     uint64 // what the reader has acknowledged
	Accepted  uint64 // the last number accepted from the writer that has the reader's name
	More      bool   // there are entries beyond those given
	Topics    uint64 // changes with the memberships in topics; 0 if there never was one

	// Undelivered is what readers that are no longer remembered did not get. One caller
	// alone gets it.
	Undelivered []Undelivered
}

// Undelivered is what was sent to one reader alone that was forgotten before it got it.
type Undelivered struct {
	Reader string
	Plain  bool
	Lost   Lost // from the first of these messages to the last; others may lie between them
}

// A Turn is the answer to a request to handle a writer's message.
type Turn uint8

const (
	TurnDeliver Turn = iota // handle it, then Commit
	TurnDone                // accepted before
	TurnBusy                // another request is handling this writer's message: ask again
	TurnEarly               // last+1 must come first
	// like TurnDeliver, but a node that had the turn died, or let its lease end, without
	// a Commit: the message may have been handled
	TurnAgain
)

// Due is the result of Expired.
type Due struct {
	Ended []Ended
	Left  []Left
	Next  time.Duration // how long until Expired should be called again; zero if nothing is waiting
}

// Left is a reader that is gone.
type Left struct {
	ID     string // the session's id; for Move, the one until then
	Reader string
	Plain  bool
}

// Ended is a session that has ended.
type Ended struct {
	ID       string
	Epoch    uint64
	Messages []Entry // those above the mark, and those for one reader alone that this reader did not acknowledge
}
