package topiclog

import (
	"slices"

	"github.com/mirage-go/mirage/store"
)

// Read appends to dst what follows the cursor, which it moves. See store.Topic.Read. The
// cursor must be in this log's epoch, or have the zero position. Call Expire before.
func (l *Log) Read(c *store.TopicCursor, max int, dst []store.TopicEntry) ([]store.TopicEntry, bool) {
	if c.At.Epoch == 0 {
		c.Begin = store.BeginStart
	}
	if c.Begin == store.BeginStart {
		*c = store.TopicCursor{At: l.position(l.base), Begin: store.BeginWhole}
	}
	if c.Begin == store.BeginAfter && c.Ahead == nil && c.At.Seq+1 == l.top && c.At.Seq >= l.base {
		return l.readLast(c, dst), false
	}

	r := reading{Log: l, c: c, room: max, dst: dst, first: len(dst)}
	more := r.gap() || r.wholes() || r.rest()
	return r.dst, more
}

// readLast is Read for a reader that keeps up.
func (l *Log) readLast(c *store.TopicCursor, dst []store.TopicEntry) []store.TopicEntry {
	c.At.Seq = l.top
	switch k := l.last; {
	case k == nil || k.dead:
		return dst
	case k.growth == nil:
		return append(dst, store.TopicEntry{Seq: l.top, Epoch: l.epoch, Message: k.message})
	default:
		g := k.growth
		e := k.part(len(g.text)-len(k.message.Data), len(g.text))
		e.Seq, e.Epoch = l.top, l.epoch
		return append(dst, e)
	}
}

// reading is the state of one Read.
type reading struct {
	*Log
	c     *store.TopicCursor
	room  int
	dst   []store.TopicEntry
	first int // how many entries there were before
}

// add appends an entry, and reports whether there was room for it.
func (r *reading) add(e store.TopicEntry) bool {
	if e.Message != nil {
		if r.room -= e.Message.Size(); r.room < 0 && len(r.dst) > r.first {
			return false
		}
	}
	e.Epoch = r.epoch
	r.dst = append(r.dst, e)
	return true
}

// gap tells the reader what left before it got there.
func (r *reading) gap() (full bool) {
	c := r.c
	switch {
	case c.At.Seq > r.top:
		r.add(store.TopicEntry{
			Seq: r.top, Lost: store.Lost{From: r.top + 1, To: c.At.Seq}, Reason: store.MissingAhead,
		})
		*c = store.TopicCursor{At: r.position(r.top), Begin: c.Begin}
	case c.At.Seq < r.base:
		r.add(store.TopicEntry{
			Seq: r.base, Lost: store.Lost{From: c.At.Seq + 1, To: r.base}, Reason: store.MissingTrimmed,
		})
		*c = store.TopicCursor{At: r.position(r.base), Begin: store.BeginWhole}
	}
	return false
}

// wholes reads the growing messages that a reader needs whole: it has nothing of them, or
// may lack a part.
func (r *reading) wholes() (full bool) {
	c := r.c
	if c.Begin == store.BeginAfter {
		return false
	}

	for _, k := range r.grown {
		g := k.growth
		if g.first < c.Whole.First || !r.needsWhole(k) {
			continue
		}
		if g.first > c.Whole.First {
			c.Whole = store.TopicWhole{First: g.first}
		}
		for done := false; !done; {
			from := c.Whole.Offset
			if from > 0 && from >= len(g.text) {
				break
			}
			to := g.cut(from)
			if !r.add(k.part(from, to)) {
				return true
			}
			c.Whole.Offset = to
			r.ahead(k, to)
			done = to == len(g.text)
		}
	}

	c.Begin, c.Whole = store.BeginAfter, store.TopicWhole{}
	return false
}

// needsWhole reports whether the reader reads the message whole, instead of by its
// numbers.
func (r *reading) needsWhole(k *kept) bool {
	at := r.c.At.Seq
	switch g := k.growth; {
	case !g.sealed && r.c.Begin == store.BeginWhole:
		return true
	case g.first > at: // it will come under its numbers
		return false
	}
	return !k.growth.sealed || k.seq > at
}

// ahead notes that the reader has the message's text up to an offset.
func (r *reading) ahead(k *kept, to int) {
	if r.c.Ahead == nil {
		r.c.Ahead = make(map[uint64]int)
	}
	r.c.Ahead[k.growth.first] = k.growth.has(to)
}

// A lag is a growing message of which the reader lacks a piece.
type lag struct {
	k    *kept
	i    int // the piece
	from int // the reader has what is before
}

func (g lag) seq() uint64 { return g.k.growth.pieces[g.i].seq }

// lags returns the growing messages of which the reader lacks a piece, the one with the
// lowest number first.
func (r *reading) lags() []lag {
	var all []lag
	for _, k := range r.grown {
		if k.seq <= r.c.At.Seq {
			continue
		}
		if i, from, ok := k.growth.next(r.c.At.Seq, r.c.Ahead[k.growth.first]); ok {
			all = append(all, lag{k, i, from})
		}
	}
	slices.SortFunc(all, bySeq)
	return all
}

func bySeq(a, b lag) int {
	if a.seq() < b.seq() {
		return -1
	}
	return 1 // no two pieces have one number
}

// rest reads what has numbers.
func (r *reading) rest() (full bool) {
	c := r.c
	lags := r.lags()
	for i := r.after(c.At.Seq); i < len(r.kept) || len(lags) > 0; {
		// Growing messages come by the numbers of their pieces.
		if i < len(r.kept) && (r.kept[i].dead || r.kept[i].growth != nil) {
			i++
			continue
		}

		if len(lags) == 0 || i < len(r.kept) && r.kept[i].seq < lags[0].seq() {
			k := r.kept[i]
			if !r.add(store.TopicEntry{Seq: k.seq, Message: k.message}) {
				r.prune()
				return true
			}
			c.At.Seq = k.seq
			i++
			continue
		}

		g := lags[0]
		to := g.k.growth.block(g.i, g.from)
		e := g.k.part(g.from, to)
		next := r.top + 1 // the number of what follows
		if i < len(r.kept) {
			next = r.kept[i].seq
		}
		if len(lags) > 1 {
			next = min(next, lags[1].seq())
		}
		e.Seq = g.k.growth.lastBefore(g.i, to, next)
		if !r.add(e) {
			r.prune()
			return true
		}
		c.At.Seq = e.Seq
		r.ahead(g.k, to)
		lags = advance(lags, e.Seq, r.c.Ahead[g.k.growth.first])
	}

	c.At.Seq, c.Ahead = r.top, nil
	return false
}

// prune removes from Ahead what At says, too.
func (r *reading) prune() {
	c := r.c
	var ahead map[uint64]int
	for _, k := range r.grown {
		if have := c.Ahead[k.growth.first]; have > k.growth.upTo(c.At.Seq) {
			if ahead == nil {
				ahead = make(map[uint64]int)
			}
			ahead[k.growth.first] = have
		}
	}
	c.Ahead = ahead
}

// advance moves the first of the lags on, whose reader is at seq and now has what have
// says.
func advance(lags []lag, seq uint64, have int) []lag {
	g := lags[0]
	lags = lags[1:]
	i, from, ok := g.k.growth.next(seq, have)
	if !ok {
		return lags
	}
	g.i, g.from = i, from
	at, _ := slices.BinarySearchFunc(lags, g, bySeq)
	return slices.Insert(lags, at, g)
}
