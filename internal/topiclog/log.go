package topiclog

import (
	"sort"
	"time"

	"github.com/mirage-go/mirage/store"
)

// A Log retains the messages of one epoch of a topic. It is not safe for concurrent use.
type Log struct {
	name   uint32 // the hash of the topic's name
	epoch  uint32
	bounds store.TopicBounds

	top   uint64 // the last number
	base  uint64 // the last number that left although it was neither superseded nor expired
	bytes int64  // of the live messages

	// The messages in the order of their numbers, but for those that still grow. Dead
	// ones, which were superseded or have expired, stay in place until there are many.
	kept []*kept
	live int // how many of kept are not dead
	// The messages with pieces, in the order of their first pieces. Those that are
	// complete are in kept, too.
	grown  []*kept
	opened int // how many of grown still grow

	latest map[keyOf]*kept // the live message of each key
	last   *kept           // the message that has the number top; nil or dead if it has left
	dueTTL int64           // when a message expires next, at the latest; 0 if none does
}

// keyOf identifies a message that can be superseded or grow.
type keyOf struct{ event, key string }

// kept is one message that is retained.
type kept struct {
	seq     uint64 // its number, or that of its last piece
	tag     uint64 // in a replica, tells two messages of one number apart
	at      int64  // when that was appended, in nanoseconds of the caller's clock
	until   int64  // when it expires; 0 if it does not
	message *store.Message
	size    int64
	dead    bool
	growth  *growth // nil for a whole message
}

// New returns an empty log.
func New(name, epoch uint32, b store.TopicBounds) *Log {
	return &Log{name: name, epoch: epoch, bounds: b}
}

// Epoch returns the log's epoch.
func (l *Log) Epoch() uint32 { return l.epoch }

// Bytes returns the size of everything retained.
func (l *Log) Bytes() int64 { return l.bytes }

// Position returns the position after the last message.
func (l *Log) Position() store.TopicPosition { return l.position(l.top) }

func (l *Log) position(seq uint64) store.TopicPosition {
	return store.TopicPosition{Topic: l.name, Epoch: l.epoch, Seq: seq}
}

// messages returns how many messages are retained.
func (l *Log) messages() int { return l.live + l.opened }

// Append appends p at the time now, in nanoseconds of a clock that never goes back. has
// reports whether there is memory for so many bytes more than Bytes returns. Older
// messages leave if there is none, and if the bounds demand it. The errors are those of
// store.Topic.Publish. If there is one, only messages that have expired have left.
func (l *Log) Append(p store.Publication, now int64, has func(bytes int64) bool) error {
	l.Expire(now)
	k, err := l.target(p)
	if err != nil {
		return err
	}
	if !l.makeRoom(p, k, has) {
		return store.ErrFull
	}

	l.top++
	before := int64(0)
	if k == nil { // a whole message, or the first piece of one
		k = l.begin(p)
	} else {
		before = k.size
	}

	k.seq, k.at, k.until, k.message = l.top, now, 0, p.Message
	k.size = int64(p.Message.Size())
	if ttl := int64(p.Message.TTL); ttl > 0 {
		k.until = now + min(ttl, int64(forever))
		if l.dueTTL == 0 || k.until < l.dueTTL {
			l.dueTTL = k.until
		}
	}
	if k.growth != nil {
		k.growth.append(l.top, p.Message.Data)
		k.size = k.growth.size(p.Message)
		if p.Done {
			k.growth.sealed = true
			l.opened--
			l.keep(k)
		}
	} else {
		l.keep(k)
	}

	l.bytes += k.size - before
	l.last = k
	for l.messages() > l.bounds.MaxMessages || l.bytes > l.bounds.MaxBytes {
		if !l.evictOldest(k) {
			break
		}
	}
	return nil
}

// forever is longer than any TTL that makes sense: a sum with the longest Duration would
// overflow.
const forever = 100 * 365 * 24 * time.Hour

// target returns the growing message that p continues, or nil if p begins one.
func (l *Log) target(p store.Publication) (*kept, error) {
	if !p.Grows {
		return nil, nil
	}
	k := l.about(p)
	have := 0
	switch {
	case k == nil || k.growth == nil:
		if k = nil; p.Continues {
			return nil, store.ErrNotFound
		}
	case k.growth.sealed:
		return nil, store.ErrSealed
	default:
		have = len(k.growth.text)
	}
	if have+len(p.Message.Data) > l.bounds.MaxGrown {
		return nil, store.ErrTooLarge
	}
	return k, nil
}

// makeRoom evicts messages until there is memory for p, which continues k if that is not
// nil. It reports whether there is enough. If not, nothing has left.
func (l *Log) makeRoom(p store.Publication, k *kept, has func(int64) bool) bool {
	// The message that p continues stays, and the one that it supersedes leaves anyway.
	but, adds := l.about(p), int64(p.Message.Size())
	if p.Grows {
		adds += pieceSize
	}
	spare := l.bytes
	switch {
	case k != nil:
		adds = int64(len(p.Message.Data) + pieceSize)
		spare -= k.size
	case but != nil:
		adds -= but.size
		spare -= but.size
	}

	if !has(adds - spare) {
		return false
	}
	for !has(adds) {
		if !l.evictOldest(but) {
			break
		}
	}
	return true
}

// about returns the message that has the event and key of p, or nil.
func (l *Log) about(p store.Publication) *kept {
	if p.Message.Key == "" {
		return nil
	}
	return l.latest[keyOf{p.Message.Event, p.Message.Key}]
}

// begin makes room in the order for a message that supersedes the one with its key.
func (l *Log) begin(p store.Publication) *kept {
	k := &kept{}
	if p.Grows {
		k.growth = &growth{first: l.top}
		l.grown = append(l.grown, k)
		l.opened++
	}
	if p.Message.Key != "" {
		if older := l.about(p); older != nil {
			l.drop(older)
		}
		if l.latest == nil {
			l.latest = make(map[keyOf]*kept)
		}
		l.latest[keyOf{p.Message.Event, p.Message.Key}] = k
	}
	return k
}

// keep puts a message that does not grow any more at the end of the order.
func (l *Log) keep(k *kept) {
	l.kept = append(l.kept, k)
	l.live++
	if dead := len(l.kept) - l.live; dead > l.live+16 {
		rest := make([]*kept, 0, 2*l.live+17)
		for _, k := range l.kept {
			if !k.dead {
				rest = append(rest, k)
			}
		}
		l.kept = rest
	}
}

// drop removes a message without a gap: it was superseded, or has expired.
func (l *Log) drop(k *kept) {
	k.dead = true
	l.bytes -= k.size
	if key := (keyOf{k.message.Event, k.message.Key}); l.latest[key] == k {
		delete(l.latest, key)
	}

	if k.growth == nil || k.growth.sealed {
		l.live--
	} else {
		l.opened--
	}
	if k.growth != nil {
		for i, o := range l.grown {
			if o == k {
				l.grown = append(l.grown[:i:i], l.grown[i+1:]...)
				break
			}
		}
	}
	k.message, k.growth = nil, nil // it may stay in kept for a while, but not its data
}

// evict removes a message that readers may still need: they are told of the gap.
func (l *Log) evict(k *kept) {
	l.drop(k)
	l.base = max(l.base, k.seq)
	for len(l.kept) > 0 && l.kept[0].dead {
		l.kept[0] = nil
		l.kept = l.kept[1:]
	}
}

// evictOldest evicts the oldest message other than one, which may be nil. One that still
// grows leaves only if there is no other. It reports whether there was one.
func (l *Log) evictOldest(but *kept) bool {
	for _, k := range l.kept {
		if !k.dead && k != but {
			l.evict(k)
			return true
		}
	}

	var oldest *kept
	for _, k := range l.grown {
		if !k.growth.sealed && k != but && (oldest == nil || k.seq < oldest.seq) {
			oldest = k
		}
	}
	if oldest == nil {
		return false
	}
	l.evict(oldest)
	return true
}

// Expire removes the messages that have expired by now, and those that are older than the
// bounds allow.
func (l *Log) Expire(now int64) {
	if l.dueTTL != 0 && l.dueTTL <= now {
		l.expireTTL(now)
	}

	before := now - int64(l.bounds.Age)
	for len(l.kept) > 0 && (l.kept[0].dead || l.kept[0].at < before) {
		if k := l.kept[0]; !k.dead {
			l.evict(k)
		} else {
			l.kept = l.kept[1:]
		}
	}
	for i := 0; l.opened > 0 && i < len(l.grown); i++ {
		if k := l.grown[i]; !k.growth.sealed && k.at < before {
			l.evict(k)
			i--
		}
	}
}

// expireTTL drops the messages whose TTL has passed, and notes when the next one does.
func (l *Log) expireTTL(now int64) {
	l.dueTTL = 0
	check := func(k *kept) {
		switch {
		case k.dead || k.until == 0:
		case k.until <= now:
			l.drop(k)
		case l.dueTTL == 0 || k.until < l.dueTTL:
			l.dueTTL = k.until
		}
	}

	for _, k := range l.kept {
		check(k)
	}
	for _, k := range append([]*kept(nil), l.grown...) { // drop changes it
		check(k)
	}
}

// after returns the index in kept of the first message with a number above seq.
func (l *Log) after(seq uint64) int {
	return sort.Search(len(l.kept), func(i int) bool { return l.kept[i].seq > seq })
}
