package topiclog

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/mirage-go/mirage/store"
)

// A Saved is what a store keeps elsewhere of a log, for a Log that is a replica of it.
type Saved struct {
	Name, Epoch uint32
	Top, Base   uint64
	// Messages has everything that is retained: first what does not grow any more, in the
	// order of the numbers, then what still grows.
	Messages []SavedMessage
}

// A SavedMessage is one message of a Saved.
type SavedMessage struct {
	Seq     uint64 // its number, or that of its last piece
	Tag     uint64 // tells two messages of one number apart
	At      int64  // when it was appended, in nanoseconds
	Until   int64  // when it expires; 0 if it does not
	Message *store.Message
	Growth  *SavedGrowth // nil for a whole message; otherwise Message is the last piece
}

// A SavedGrowth is the text of a message that grows, or grew until it was complete.
type SavedGrowth struct {
	First  uint64 // the number of the first piece
	Text   []byte
	Ends   []SavedPiece // at least one
	Sealed bool
}

// A SavedPiece says where the piece of that number ends.
type SavedPiece struct {
	Seq uint64
	End int
}

// Restore returns the log that was saved. It takes over the data.
func Restore(s *Saved, b store.TopicBounds) *Log {
	l := New(s.Name, s.Epoch, b)
	l.top, l.base = s.Top, s.Base
	for i := range s.Messages {
		l.restore(&s.Messages[i])
	}
	slices.SortFunc(l.grown, func(a, b *kept) int { return cmp.Compare(a.growth.first, b.growth.first) })
	return l
}

func (l *Log) restore(m *SavedMessage) {
	k := &kept{
		seq: m.Seq, tag: m.Tag, at: m.At, until: m.Until, message: m.Message, size: int64(m.Message.Size()),
	}
	if g := m.Growth; g != nil {
		k.growth = &growth{first: g.First, text: g.Text, sealed: g.Sealed}
		for _, p := range g.Ends {
			k.growth.pieces = append(k.growth.pieces, piece{p.Seq, p.End})
		}
		k.size = k.growth.size(k.message)
		l.grown = append(l.grown, k)
	}

	if k.growth == nil || k.growth.sealed {
		l.keep(k)
	} else {
		l.opened++
	}
	if k.message.Key != "" {
		if l.latest == nil {
			l.latest = make(map[keyOf]*kept)
		}
		l.latest[keyOf{k.message.Event, k.message.Key}] = k
	}
	if k.seq == l.top {
		l.last = k
	}
	if k.until != 0 && (l.dueTTL == 0 || k.until < l.dueTTL) {
		l.dueTTL = k.until
	}
	l.bytes += k.size
}

// Save returns everything that is retained, for Restore. It shares the data with the log.
func (l *Log) Save() *Saved {
	s := &Saved{Name: l.name, Epoch: l.epoch, Top: l.top, Base: l.base}
	for _, k := range l.kept {
		if !k.dead {
			s.Messages = append(s.Messages, k.save())
		}
	}
	for _, k := range l.grown {
		if !k.growth.sealed {
			s.Messages = append(s.Messages, k.save())
		}
	}
	return s
}

func (k *kept) save() SavedMessage {
	m := SavedMessage{Seq: k.seq, Tag: k.tag, At: k.at, Until: k.until, Message: k.message}
	if g := k.growth; g != nil {
		m.Growth = &SavedGrowth{First: g.first, Text: g.text, Sealed: g.sealed}
		for _, p := range g.pieces {
			m.Growth.Ends = append(m.Growth.Ends, SavedPiece{p.seq, p.end})
		}
	}
	return m
}

// SetBounds replaces the bounds. They count from the next Append on.
func (l *Log) SetBounds(b store.TopicBounds) { l.bounds = b }

// SetEpoch gives the log another epoch: numbers of the one before may have been given to
// messages that were lost.
func (l *Log) SetEpoch(epoch uint32) { l.epoch = epoch }

// EvictTo evicts the oldest messages until so many are left, as Append has done where the
// log was kept.
func (l *Log) EvictTo(messages int) {
	for l.messages() > messages && l.evictOldest(l.last) {
	}
}

// Apply is Append for a replica: where the log is kept, p was appended at that time under
// the tag. An error means that the replica is not what the log was.
func (l *Log) Apply(p store.Publication, now int64, tag uint64) error {
	if err := l.Append(p, now, func(int64) bool { return true }); err != nil {
		return err
	}
	l.last.tag = tag
	return nil
}

// Messages returns how many messages are retained.
func (l *Log) Messages() int { return l.messages() }

// Base returns the last number of which readers that lack it are told.
func (l *Log) Base() uint64 { return l.base }

// Continues reports whether l may be what o has become: a replica of the same log, later.
// It is not if l retains a message up to o's last number that o did not have. Then the
// place where the log is kept has lost messages, and given their numbers to others. A
// message that has left o is none of these: o's clock may have been ahead.
func (l *Log) Continues(o *Log) bool {
	if l.epoch != o.epoch || l.top < o.top {
		return false
	}
	for _, k := range l.kept {
		switch {
		case k.dead || k.growth != nil:
		case k.seq > o.top:
			return l.growsFrom(o)
		case !o.had(k):
			return false
		}
	}
	return l.growsFrom(o)
}

// had reports whether the message was retained under that number and tag, or may have
// left.
func (l *Log) had(k *kept) bool {
	i := l.after(k.seq - 1)
	if i < len(l.kept) && l.kept[i].seq == k.seq {
		return l.kept[i].tag == k.tag
	}
	return l.mayHaveLeft(k.seq, k)
}

func (l *Log) mayHaveLeft(seq uint64, k *kept) bool { return seq <= l.base || k.until != 0 }

// growsFrom reports whether the messages with pieces may be what those of o have become.
func (l *Log) growsFrom(o *Log) bool {
	for _, k := range l.grown {
		g := k.growth
		if g.first > o.top {
			continue
		}
		i := slices.IndexFunc(o.grown, func(k *kept) bool { return k.growth.first == g.first })
		if i < 0 {
			if !o.mayHaveLeft(g.first, k) {
				return false
			}
			continue
		}
		was := o.grown[i]
		if !bytes.HasPrefix(g.text, was.growth.text) || k.seq <= o.top && k.tag != was.tag {
			return false
		}
	}
	return true
}
