package redis

import (
	"slices"
	"sync"
	"time"

	"github.com/mirage-go/mirage/store"
)

// A tail is what this node knows of the end of a log that it watches (R2). Links read
// from it what other nodes and this one have appended, without a question to Redis.
//
//	unread ── Read, which nothing has overtaken ──▶ current
//	   ▲                                              │
//	   └── a hole, another version, a wake-up ────────┘
//
// A current tail takes an entry only if the entry before it is the tail's last one, by
// its tag, and if nothing else has changed that a link must see. An unread one keeps what
// it hears until some link has asked Redis.
type tail struct {
	mu      sync.Mutex
	current bool
	news    uint64 // counts what a Read that is under way may have missed
	moves   uint32
	version uint32
	short   bool // of room: see appended
	last    place
	before  uint32        // the tag of the position before entries
	entries []store.Entry // the last ones, up to last
	bytes   int           // their Size together
	early   []heardEntry  // heard while unread
	waiting int           // their bytes
	recent  []place       // the last positions, by which a second copy of an entry is recognized
	links   map[linkName]*linkTail
}

const (
	tailEntries = 256
	tailBytes   = 256 << 10
	tailRecent  = 64
)

// linkTail is what this node knows of one of its links.
type linkTail struct {
	asked   time.Time // when it last asked Redis
	version uint32    // of the log then
	turn    uint64
	said    store.Tail // the answer, without entries and gap
	cursor  uint64
	spoken  bool // Redis knows that the client uses the link
}

// heardEntry is an entry with the header that it was published with.
type heardEntry struct {
	at  appended
	raw string
}

// hear takes an entry, and reports whether links should look. crowded is set once room
// becomes short.
func (t *tail) hear(at appended, raw string) (wake, crowded bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	crowded = at.short && !t.short
	t.short = at.short
	if !t.current {
		t.keepLocked(at, raw)
		return true, crowded
	}
	return t.takeLocked(at, raw), crowded
}

// takeLocked takes an entry into a current tail, if it belongs there.
func (t *tail) takeLocked(at appended, raw string) (wake bool) {
	e, err := decode(at.seq, raw)
	switch {
	case err != nil || at.version != t.version || at.moves != t.moves:
		t.unreadLocked()
	case at.seq == t.last.seq+1 && at.before == t.last.tag:
		if t.bytes += e.Message.Size(); len(t.entries) == tailEntries || t.bytes > tailBytes {
			t.dropLocked(t.last.seq - uint64(len(t.entries)/2))
		}
		if len(t.entries) == 0 {
			t.before, t.bytes = t.last.tag, e.Message.Size()
		}
		t.entries = append(t.entries, e)
		t.last = place{e.Seq, e.Tag}
		t.rememberLocked(t.last)
	case at.seq <= t.last.seq && slices.Contains(t.recent, place{e.Seq, e.Tag}):
		return false // it was read, or heard before
	default:
		t.unreadLocked()
		t.keepLocked(at, raw)
	}
	return true
}

// keepLocked keeps an entry until the tail is read. If there are too many, another Read
// than those under way has to find them.
func (t *tail) keepLocked(at appended, raw string) {
	if t.waiting += len(raw); len(t.early) == tailEntries || t.waiting > tailBytes {
		t.early, t.waiting = nil, len(raw)
		t.news++
	}
	t.early = append(t.early, heardEntry{at, raw})
}

func (t *tail) unreadLocked() {
	t.current = false
	t.entries, t.bytes = nil, 0
}

// unread notes that something happened that only Redis can tell.
func (t *tail) unread() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.news++
	t.unreadLocked()
}

// dropLocked drops the entries up to seq.
func (t *tail) dropLocked(seq uint64) {
	first := t.last.seq + 1 - uint64(len(t.entries))
	if len(t.entries) == 0 || seq < first {
		return
	}
	n := int(min(seq, t.last.seq) + 1 - first)
	for i := range t.entries[:n] {
		t.bytes -= t.entries[i].Message.Size()
	}
	t.before = t.entries[n-1].Tag
	left := copy(t.entries, t.entries[n:])
	clear(t.entries[left:])
	t.entries = t.entries[:left]
}

func (t *tail) rememberLocked(p place) {
	if len(t.recent) == tailRecent {
		t.recent = append(t.recent[:0], t.recent[tailRecent/2:]...)
	}
	t.recent = append(t.recent, p)
}

// begin returns what refresh wants to know about the time before a Read, and what the
// link's reader has acknowledged, of which Redis may not know yet.
func (t *tail) begin(ref store.LinkRef) (news, acked uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.links[linkName{ref.Reader, ref.Number}]; k != nil {
		acked = k.said.Acked
	}
	return t.news, acked
}

// refresh takes the answer to a Read of a link: what Redis said of the log, and the
// entries that the link got.
func (t *tail) refresh(news uint64, at appended, ref store.LinkRef, said store.Tail, got []store.Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range got {
		t.rememberLocked(place{e.Seq, e.Tag})
	}
	if t.news != news {
		return
	}

	top := place{at.seq, at.before}
	t.short = at.short
	if !t.current || t.version != at.version || t.moves != at.moves ||
		top.seq > t.last.seq || top.seq == t.last.seq && top.tag != t.last.tag {
		t.entries, t.bytes = nil, 0
		t.current, t.version, t.moves, t.last = true, at.version, at.moves, top
		t.rememberLocked(top)
		early := t.early
		t.early, t.waiting = nil, 0
		slices.SortStableFunc(early, func(a, b heardEntry) int { return int(int64(a.at.seq) - int64(b.at.seq)) })
		for _, h := range early {
			if h.at.seq <= top.seq {
				continue
			}
			if !t.current {
				t.keepLocked(h.at, h.raw)
				continue
			}
			t.takeLocked(h.at, h.raw)
		}
	}

	k := t.linkLocked(ref)
	said.Gap, said.GapReason, said.Told, said.More, said.Undelivered = store.Lost{}, "", false, false, nil
	said.Acked, said.Accepted = max(said.Acked, k.said.Acked), max(said.Accepted, k.said.Accepted)
	k.asked, k.version, k.turn, k.said = time.Now(), at.version, ref.Turn, said
	k.cursor = t.last.seq
}

func (t *tail) linkLocked(ref store.LinkRef) *linkTail {
	name := linkName{ref.Reader, ref.Number}
	k := t.links[name]
	if k == nil {
		k = &linkTail{}
		if t.links == nil {
			t.links = make(map[linkName]*linkTail)
		}
		t.links[name] = k
	}
	return k
}

// read is Read from the tail. ok is false if only Redis can answer. tag is that of the
// position after, and last the one that the link has then. A link asks Redis every now
// and then, as a sign of life.
func (t *tail) read(
	ref store.LinkRef, moves uint64, from place, max int, life time.Duration, dst []store.Entry,
) (got []store.Entry, said store.Tail, last place, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.links[linkName{ref.Reader, ref.Number}]
	if !t.current || k == nil || k.version != t.version || uint64(t.moves) != moves || k.turn != ref.Turn ||
		from.seq < k.said.Acked || !t.coversLocked(from) || time.Since(k.asked) >= life {
		return dst, said, from, false
	}

	said, last = k.said, from
	i := len(t.entries) - int(t.last.seq-from.seq)
	for n, e := range t.entries[i:] {
		if max -= e.Message.Size(); max < 0 && n > 0 {
			said.More = true
			break
		}
		dst = append(dst, e)
		last = place{e.Seq, e.Tag}
	}

	// What all links here have read is not needed any more.
	k.cursor = last.seq
	least := last.seq
	for _, o := range t.links {
		least = min(least, o.cursor)
	}
	t.dropLocked(least)
	return dst, said, last, true
}

// coversLocked reports whether all that follows the position is in the tail.
func (t *tail) coversLocked(p place) bool {
	if p.seq > t.last.seq || t.last.seq-p.seq > uint64(len(t.entries)) {
		return false
	}
	switch i := len(t.entries) - int(t.last.seq-p.seq); {
	case p.seq == t.last.seq:
		return p.tag == t.last.tag
	case i == 0:
		return p.tag == t.before
	default:
		return p.tag == t.entries[i-1].Tag
	}
}

// ack takes an acknowledgement that Redis can be told later: not the first on a link, not
// beyond the top, and not of another history. ok is whether it did, and soon whether
// Redis should be told at once, because room is short.
func (t *tail) ack(ref store.LinkRef, moves, epoch uint64, p store.Position) (ok, soon bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.links[linkName{ref.Reader, ref.Number}]
	if !t.current || k == nil || !k.spoken || k.version != t.version || uint64(t.moves) != moves ||
		p.Epoch != epoch || p.Seq > t.last.seq || p.Seq == t.last.seq && p.Tag != 0 && p.Tag != t.last.tag {
		return false, false
	}
	for _, known := range t.recent {
		if known.seq == p.Seq && p.Tag != 0 && known.tag != p.Tag {
			return false, false
		}
	}
	t.ackedLocked(ref.Reader, p.Seq)
	return true, t.short
}

// isShort reports whether the log needs room.
func (t *tail) isShort() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.short
}

// acknowledged notes what Redis has taken of a link, and whether room is still short.
func (t *tail) acknowledged(ref store.LinkRef, seq uint64, short bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.short = short
	if k := t.links[linkName{ref.Reader, ref.Number}]; k != nil {
		k.spoken = true
	}
	t.ackedLocked(ref.Reader, seq)
}

func (t *tail) ackedLocked(reader string, seq uint64) {
	for name, k := range t.links {
		if name.reader == reader {
			k.said.Acked = max(k.said.Acked, seq)
		}
	}
}

// accepted notes that message n of the writer was accepted, for the reader of its name.
func (t *tail) accepted(writer string, n uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, k := range t.links {
		if name.reader == writer {
			k.said.Accepted = max(k.said.Accepted, n)
		}
	}
}

// forget forgets a link, unless a request with a later turn carries it on here.
func (t *tail) forget(name linkName, turn uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.links[name]; k != nil && k.turn <= turn {
		delete(t.links, name)
	}
}

// confirms reports whether the tail agrees with a head of the log.
func (t *tail) confirms(at appended) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current && t.version == at.version && t.moves == at.moves && t.last == place{at.seq, at.before}
}

// headLen is the length of a head without the nodes: see HEADFORMAT.
const headLen = 52

// parseHead returns what a head says of the top.
func parseHead(h string) (at appended, ok bool) {
	if len(h) < headLen {
		return at, false
	}
	number := func(from, n int) (v uint64) {
		for i := range n {
			v = v<<8 | uint64(h[from+i])
		}
		return v
	}
	first, count := number(32, 6), number(22, 4)
	return appended{
		moves: uint32(number(2, 4)), version: uint32(number(18, 4)),
		seq: first + count - 1, before: uint32(number(48, 4)),
	}, true
}
