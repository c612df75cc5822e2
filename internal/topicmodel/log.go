package topicmodel

import (
	"math"

	"github.com/mirage-go/mirage/store"
)

// A Log is one epoch of a topic according to the contract.
type Log struct {
	Bounds    store.TopicBounds
	PieceCost int64 // what a piece of a growing message counts beside its data, in bytes

	Top  uint64     // the last number
	Base uint64     // the last number that left although it was neither superseded nor expired
	All  []*Message // everything ever published, in the order of the first numbers
}

// A Message is one message of a Log.
type Message struct {
	*store.Message // of the first piece
	Grows, Sealed  bool
	Pieces         []Piece // one for a whole message
	Text           []byte  // of all pieces
	Gone           string  // why the log does not have it any more; "" while it does

	at, until int64
	rest      int64 // what it counts beside its text and pieces
}

// A Piece says where in the text a piece ends.
type Piece struct {
	Seq uint64
	End int
}

// First returns the number of the first piece.
func (m *Message) First() uint64 { return m.Pieces[0].Seq }

// Last returns the number of the last piece.
func (m *Message) Last() uint64 { return m.Pieces[len(m.Pieces)-1].Seq }

// upTo returns where the text ends for somebody who has all pieces up to seq, and whether
// that is all there will be.
func (m *Message) upTo(seq uint64) (end int, done bool) {
	for _, p := range m.Pieces {
		if p.Seq <= seq {
			end = p.End
		}
	}
	return end, m.Sealed && m.Last() <= seq
}

func (m *Message) size(pieceCost int64) int64 {
	if !m.Grows {
		return m.rest + int64(len(m.Text))
	}
	return m.rest + int64(len(m.Text)) + pieceCost*int64(len(m.Pieces))
}

// Live returns what the log retains.
func (l *Log) Live() (live []*Message) {
	for _, m := range l.All {
		if m.Gone == "" {
			live = append(live, m)
		}
	}
	return live
}

// Bytes returns the size of everything that the log retains.
func (l *Log) Bytes() (n int64) {
	for _, m := range l.Live() {
		n += m.size(l.PieceCost)
	}
	return n
}

// Find returns the live message of that event and key, or nil.
func (l *Log) Find(event, key string) *Message {
	for _, m := range l.Live() {
		if key != "" && m.Event == event && m.Key == key {
			return m
		}
	}
	return nil
}

// number returns the message that has a piece of that number, or nil.
func (l *Log) number(seq uint64) *Message {
	for _, m := range l.All {
		for _, p := range m.Pieces {
			if p.Seq == seq {
				return m
			}
		}
	}
	return nil
}

// Publish appends p, or returns the error of store.Topic.Publish. memory is how many
// bytes the store has for everything in the log.
func (l *Log) Publish(p store.Publication, now, memory int64) error {
	l.Expire(now)
	older := l.Find(p.Message.Event, p.Message.Key)
	m := older
	if m != nil && !m.Grows || !p.Grows {
		m = nil
	}
	if p.Grows {
		switch {
		case m == nil && p.Continues:
			return store.ErrNotFound
		case m != nil && m.Sealed:
			return store.ErrSealed
		case len(p.Message.Data) > l.Bounds.MaxGrown, m != nil && len(m.Text)+len(p.Message.Data) > l.Bounds.MaxGrown:
			return store.ErrTooLarge
		}
	}

	// What p continues stays, and what it supersedes leaves.
	adds := int64(len(p.Message.Data))
	var stays, leaves int64
	if p.Grows {
		adds += l.PieceCost
	}
	switch {
	case m != nil:
		stays = m.size(l.PieceCost)
	case older != nil:
		leaves = older.size(l.PieceCost)
		fallthrough
	default:
		adds += int64(p.Message.Size() - len(p.Message.Data))
	}
	if stays+adds > memory {
		return store.ErrFull
	}
	for l.Bytes()-leaves+adds > memory {
		l.evictOldest(older)
	}

	if m == nil {
		if older != nil {
			older.Gone = "superseded"
		}
		m = &Message{
			Message: p.Message, Grows: p.Grows, rest: int64(p.Message.Size() - len(p.Message.Data)),
		}
		l.All = append(l.All, m)
	}

	l.Top++
	m.Text = append(m.Text, p.Message.Data...)
	m.Pieces = append(m.Pieces, Piece{l.Top, len(m.Text)})
	m.Sealed = !m.Grows || p.Done
	m.at, m.until = now, math.MaxInt64
	if ttl := int64(p.Message.TTL); ttl > 0 && ttl < math.MaxInt64-now {
		m.until = now + ttl
	}

	for len(l.Live()) > l.Bounds.MaxMessages || l.Bytes() > l.Bounds.MaxBytes {
		if !l.evictOldest(m) {
			break
		}
	}
	return nil
}

// Expire removes what has expired, and what is older than the bounds allow.
func (l *Log) Expire(now int64) {
	for _, m := range l.Live() {
		switch {
		case m.until <= now:
			m.Gone = "expired"
		case m.at < now-int64(l.Bounds.Age):
			l.evict(m)
		}
	}
}

// evictOldest evicts the oldest message other than one. One that still grows leaves only
// if there is no other.
func (l *Log) evictOldest(but *Message) bool {
	var oldest *Message
	for _, m := range l.Live() {
		switch {
		case m == but:
		case oldest == nil, m.Sealed && !oldest.Sealed, m.Sealed == oldest.Sealed && m.Last() < oldest.Last():
			oldest = m
		}
	}
	if oldest == nil {
		return false
	}
	l.evict(oldest)
	return true
}

// evict removes a message that readers may still need.
func (l *Log) evict(m *Message) {
	m.Gone = "evicted"
	l.Base = max(l.Base, m.Last())
}
