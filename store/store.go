package store

import (
	"context"
	"iter"
	"time"
)

// A Store keeps the sessions: a Log for each, and what is known of ids that moved or were
// revoked. Every method is one atomic step (of a Move, a remote store may show for a
// moment that neither id has the session), and safe for concurrent use by any number of
// Managers. A Store is never asked to wait for a message.
//
// Steps that a request asks for are told on whose word (store.Asked), and decide in the
// step itself whether that still counts (I13): no session is made, joined or moved under
// an id that was revoked since its value was signed.
//
// Errors are those of this package. A remote store that cannot know whether a step took
// place answers ErrUncertain; every step may be repeated after it. It bounds the time of
// each step by itself: a Manager asks for a link or a turn without the end of the
// request's context, so that neither is given to nobody. What an uncertain Attach or
// Begin may have given, the store takes back.
type Store interface {
	// Now is the Store's time, without I/O. It is never ahead of the clock that stamps
	// End and Move: what is signed with it before a revocation is refused by it. After
	// End or Move has returned, the Now of the same Store is later than their stamp.
	Now() time.Time

	// Resolve says how an id stands that a request presents. Its client goes on under ID:
	// that is id itself unless Move with this client moved it at most Keep ago and nobody
	// has presented the new id to Resolve since. An empty client has only the id itself.
	Resolve(ctx context.Context, id string, a Asked, client string) (Standing, error)

	// Open returns the log of the session id. Without a session it makes one with these
	// bounds if create is set (ErrBudget where there is no memory for it; created tells
	// one caller), and is ErrNotFound otherwise. A new session has no links, so that its
	// retention runs from now. What was asked is ErrRevoked if the id was revoked since
	// Signed, and ErrMoved if it came less than Settle after the id was moved, or before
	// the last Renew. A Store knows of a move for a minute longer than Settle: no request
	// takes as long.
	Open(ctx context.Context, id string, a Asked, create bool, b Bounds) (l Log, created bool, err error)

	// Move lets the session from go on under the id to. Its links end with ErrMoved, and
	// every Log that Open returned for it before is refused from then on. If to has a
	// session already, that one stays and gets what is above the mark of the moved one,
	// as far as there is room. Without a session there is nothing to move but the id. For
	// Settle after it the old id makes and joins no session; with Refuse above zero it is
	// revoked for that long. Move is ErrRevoked or ErrMoved, and nothing has changed, if
	// from was revoked since Signed or to since Came; where a remote store finds the
	// latter only under way, the session ends. left is who was here under from: each of
	// them is Joined again when it attaches under to. It is good beside an error, too.
	Move(ctx context.Context, from, to string, m Moving) (left []Left, err error)

	// End ends the session at once and returns what was in it; ErrNotFound if there is
	// none. With refuse above zero the id is revoked (ErrBudget, and nothing has changed,
	// where a store has no memory to remember it): values signed until now are refused
	// for that long, session or not, its links end with ErrRevoked, and no old id leads
	// to it any more.
	End(ctx context.Context, id string, refuse time.Duration) (Ended, error)

	// Expired ends at most max sessions that have had no link for their retention, and
	// hands each to one caller alone; likewise the readers whose departure was not told
	// of by Leave, because the node that they were at died. What is due is good beside an
	// error, too.
	Expired(ctx context.Context, max int) (Due, error)

	// Logs lists the sessions for a broadcast: each Log takes Append, whatever the
	// session's id is by then, and no other step. A session that comes or goes meanwhile
	// may be missing or listed; none is missing or listed twice because it moves.
	Logs(ctx context.Context) iter.Seq2[Log, error]
}

// A Broadcaster is a Store with a faster way to all logs than Logs.
type Broadcaster interface {
	// Broadcast appends m, which they share, to every Log that Logs would list, and calls
	// done with the error that Append would have returned, and beside one the session's
	// id. An error of done ends it, and is returned.
	Broadcast(ctx context.Context, m *Message, done func(id string, err error) error) error
}

// A Log is one session: numbered messages on their way down, the readers' places among
// them, and the numbers of the writers on their way up. Every method is one atomic
// step, safe for concurrent use. After the session has ended, each is ErrNotFound,
// ErrMoved or ErrRevoked.
//
// A Log acts under the id and the move under which it was opened. Once the session has
// moved, every step is ErrMoved (I12), but for Commit, Detach and Leave, which end what
// was begun.
//
// In memory, Append, Read, Ack, Begin and Commit neither wait nor allocate, but for the
// ring's growth.
type Log interface {
	// ID is the id under which the Log was opened; for one of Logs the id that the
	// session was last known by.
	ID() string

	// Handle names the log and the move under which it was opened.
	Handle() Handle

	// Append numbers m and keeps it. With a reader it is for that reader alone
	// (ErrNotFound if the log knows none of that name) and every other one passes over
	// it. Where room is needed, as much leaves as must and no more: first what everybody
	// has passed, then what only readers without a link still need, provided another has
	// one, then what only these and stalled readers need, provided another is live;
	// beyond that Bounds.Overflow decides. With ErrFull nothing has left. m is shared
	// from now on and must not change.
	Append(ctx context.Context, m *Message, reader string) (Position, error)

	// Behind counts the readers that do not have everything up to seq (0 is the top) and
	// may still get it: those that have a link, and those that are not plain and whose
	// departure Leave has not told of. A plain one has what it was sent. It returns the
	// top, too.
	Behind(ctx context.Context, seq uint64) (readers int, top uint64, err error)

	// Attach begins a link, or with Claim.Link goes on with one, and finds the place from
	// which it reads: where the client says it is; for a reader that presents less than
	// it has acknowledged in this epoch, or another epoch, after what it acknowledged;
	// for one that is new to the log with another epoch's position, at the beginning; and
	// without a position at the mark, or for a plain one after what was sent to anyone.
	// Claim.Asked is refused as by Open. If the session has Bounds.Links links already,
	// the new one takes the place of the one that was heard of least recently, which
	// ends. That is one of a reader that keeps another link or gets this one
	// (ErrSuperseded), or else of any reader, if it was not heard of for Bounds.Quiet
	// (ErrCrowded). Otherwise Attach is ErrCrowded, and nothing has changed.
	Attach(ctx context.Context, c Claim) (Attached, error)

	// Read appends to dst what follows after, or what follows the reader's
	// acknowledgement if that is further: entries until their Size together reaches max,
	// but at least one, and counts them as sent. It is ErrSuperseded once the client has
	// spoken on a newer link of this reader, ErrCrowded if it gave its place to another
	// reader's, and ErrRenewed if the client is to come back: after Renew, or because the
	// store has lost what the link was at, or has forgotten its reader. It is also the
	// sign of life by which a session with links lives on, and so is called at least once
	// per heartbeat.
	Read(ctx context.Context, l LinkRef, after uint64, max int, dst []Entry) ([]Entry, Tail, error)

	// Ack says that the client speaks on this link, so that older ones of its reader end,
	// and that it has everything up to p. The zero Position acknowledges nothing, one of
	// another epoch neither. Beyond the top it is ErrAhead. Lower ones than before change
	// nothing. It counts from every link that its reader ever had in this log, as long as
	// the reader is remembered; else it is ErrNotFound. A link that Renew ended, or that
	// is from before a Move after which the id came back, is ErrRenewed.
	Ack(ctx context.Context, l LinkRef, p Position) error

	// Detach ends the link. left is zero while its reader has another one, and else names
	// this departure for Leave. A second call, or one for a link that goes on elsewhere
	// (see Claim.Link), changes nothing. Turn 0 is the link whichever request carries it.
	Detach(ctx context.Context, l LinkRef) (left uint64, err error)

	// Leave tells one caller alone that the reader has not come back since
	// the departure left.
	Leave(ctx context.Context, reader string, left uint64) (gone bool, err error)

	// Quit forgets the link's reader (ErrNotFound without it, ErrRenewed after Renew) and
	// ends its links. here says that Leave has not told of its departure. If no reader
	// remains, the session ends and ended says what was in it.
	Quit(ctx context.Context, l LinkRef) (here bool, ended *Ended, err error)

	// Renew ends every link there is: their clients come back on new ones, and lose
	// nothing. From then on no step of such a link is granted, and no link is begun by a
	// request that came before: a hook that answered before counts no more than a link
	// that it let in.
	Renew(ctx context.Context) error

	// Begin asks whether message n of the writer, which came by the link l, is to be
	// handled now. It is refused as Ack is; the zero LinkRef is never. base is the
	// lowest number that the client still keeps: a writer unknown to the log begins
	// there, and what is below counts as accepted. last is the writer's last accepted
	// number. After TurnDeliver the caller handles the message and calls Commit; a node
	// that dies in between gives its turn back after lease. n == 0 only asks for last
	// and is answered TurnDone.
	Begin(
		ctx context.Context, l LinkRef, writer string, base, n uint64, lease time.Duration,
	) (t Turn, last uint64, err error)

	// Commit ends the turn for n. handled says that n is accepted from now on; otherwise
	// it may be begun again.
	Commit(ctx context.Context, writer string, n uint64, handled bool) error

	// Watch calls wake after anything that a link of this log must see: entries,
	// superseded links, a session's end. It is a hint: wake must not wait, calls may be
	// lost, doubled or late. stop ends that; a call under way may still arrive.
	Watch(wake func()) (stop func())
}

// Bounds are what one session may hold.
type Bounds struct {
	MaxMessages int      // at most so many entries
	MaxBytes    int64    // their Size together
	Overflow    Overflow // what happens when neither is enough
	// how long a session lives without links, and a reader is remembered without one; one
	// for all sessions of a store
	Retention time.Duration
	// at most so many links; see Attach for what becomes of one more. One that has ended
	// stays until Detach; so many and 32 do at most
	MaxLinks int
	Quiet    time.Duration // how long a link keeps its place after its client was heard of on it
	// at most so many readers without a link are remembered; the one that left first is
	// forgotten early
	MaxReaders int
	// at most so many writers are remembered, the least recent leaves; one whose message
	// is being handled stays
	MaxWriters int
	// a reader that has taken nothing for so long, though there was something, has
	// stalled; 0: never
	Stall time.Duration
}

// Overflow chooses what happens to a message for which a log has no room.
type Overflow uint8

const (
	OverflowRefuse Overflow = iota // Send returns ErrFull
	// the oldest entries leave, and every reader that has not passed them is told
	// of the gap
	OverflowDropOldest
)

// A Handle names a log, and how often it had moved when it was opened: two Logs with
// equal Handles act alike.
type Handle struct{ Epoch, Moves uint64 }

// A Claim is a client's wish for a link.
type Claim struct {
	Asked  Asked
	Reader string // names the client object; never empty
	Plain  bool   // the client acknowledges nothing but by a position that it presents
	// the number of a link to go on with, ErrNotFound or ErrSuperseded if it is none; 0
	// begins a new one
	Link     uint64
	Given    Given    // whether the client presented a position
	Position Position // the position, if Given is GivenPresented
}

// Given says what position a client came with.
type Given uint8

const (
	GivenNothing   Given = iota // no position
	GivenPresented              // a position
	GivenMalformed              // a text that is none
)

// A LinkRef names a link in the log of its session.
type LinkRef struct {
	Reader string
	// counted up within one log, from a number that no other log is likely to begin at:
	// it names a link of this log alone
	Number uint64
	Turn   uint64 // which of the requests that carry the link, one after another
}

// Attached is what a client learns about its new link.
type Attached struct {
	Link     LinkRef
	Position Position // where the link goes on; never beyond what the reader has
	Resumed  bool     // the position presented was found: nothing is missing and nothing comes twice
	Reason   Missing  // why not, if not resumed
	Lost     Lost     // what the client will never get, if anything
	Sent     uint64   // the highest seq that was ever written to anyone of this session
	Accepted uint64   // the last number accepted from the writer that has the reader's name
	Previous string   // the id that the session had before Move, while that is remembered
	Joined   bool     // the reader was not here before, or was reported gone
	Fresh    bool     // the log has not met this reader before, or has forgotten it
}

// Missing is why a link does not go on where the client was; its text is hello's reason.
type Missing string

const (
	// the client presented no position, or one in a session of another id
	// that was revoked
	MissingNoPosition Missing = "new"
	MissingExpired    Missing = "expired"   // the session ended and this is a later one
	MissingRestarted  Missing = "restarted" // the store was lost or restarted
	// the log is here, but some messages had to leave; the gap is told before
	// the next one
	MissingTrimmed    Missing = "trimmed"
	MissingDiverged   Missing = "diverged"  // the position belongs to a history that the store lost
	MissingRelocated  Missing = "moved"     // the session was joined to another one
	MissingAhead      Missing = "ahead"     // the position is beyond the top
	MissingUnreadable Missing = "malformed" // the position is no position of ours
)

// Lost is a range of messages, both ends included, that the client will never get.
// To is zero where the log cannot know the end; the zero Lost is none. Do not
// subtract: Count does.
type Lost struct{ From, To uint64 }

// Count returns how many messages are lost. known is false where the log cannot know: the
// session expired, say, and how far its log went is forgotten.
func (l Lost) Count() (n uint64, known bool) {
	switch {
	case l == Lost{}:
		return 0, true
	case l.To < l.From:
		return 0, false
	}
	return l.To - l.From + 1, true
}

// An Entry is one place in the log.
type Entry struct {
	Seq     uint64
	Tag     uint32   // of the position after it
	Message *Message // shared, not to be changed; nil if it is for another reader
	Reader  string   // in Ended: the only reader it was for; "" for all
}

// Tail is what Read tells beside the entries.
type Tail struct {
	Gap      Lost   // what had to leave before the reader came to it, before the entries; zero if nothing
	Tag      uint32 // of the position after the gap
	Told     bool   // the gap was reported to this reader before
	Epoch    uint64 // of the entries
	Acked    uint64 // what the reader has acknowledged
	Accepted uint64 // the last number accepted from the writer that has the reader's name
	More     bool   // there are entries beyond those given

	// Undelivered is what readers that are not remembered any more did not get. One
	// caller alone is told.
	Undelivered []Undelivered
}

// Undelivered is what was sent to one reader alone, which was forgotten before it had it.
type Undelivered struct {
	Reader string
	Plain  bool
	Lost   Lost // from the first of these messages to the last; between them may be others
}

// A Turn is the answer to a writer that wants a message handled.
type Turn uint8

const (
	TurnDeliver Turn = iota // handle it, then Commit
	TurnDone                // accepted before
	TurnBusy                // somebody is handling this writer's message: ask again
	TurnEarly               // last+1 must come first
)

// Due is what Expired has found.
type Due struct {
	Ended []Ended
	Left  []Left
	Next  time.Duration // how long until it is worth asking again; zero if nothing is waiting
}

// Left is a reader that is gone.
type Left struct {
	ID     string // the session, for Move the one that it had until then
	Reader string
	Plain  bool
}

// Ended is a session that is over.
type Ended struct {
	ID       string
	Epoch    uint64
	Messages []Entry // those above the mark, and those for one reader alone that it did not acknowledge
}
