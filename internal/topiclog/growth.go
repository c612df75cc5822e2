package topiclog

import (
	"sort"
	"unicode/utf8"

	"github.com/mirage-go/mirage/store"
)

// growth is the text of a message that grows, or grew until it was complete.
type growth struct {
	first  uint64 // the number of the first piece
	text   []byte // readers hold parts of it: it is appended to, and never changed
	pieces []piece
	sealed bool
}

// piece says where a piece ends. What precedes its number is at most the piece before.
type piece struct {
	seq uint64
	end int
}

const (
	// maxPieces is how many ends of pieces are kept for each growing message. Beyond it,
	// every other one of the older half is forgotten: a reader that resumes between them
	// gets an overlap, which it drops.
	maxPieces = 1024
	pieceSize = 16 // bytes

	// MaxBlock is the largest part of a growing message in one entry, in bytes, unless a
	// single piece is larger.
	MaxBlock = 64 << 10
)

// append appends a piece.
func (g *growth) append(seq uint64, data []byte) {
	g.text = append(g.text, data...)
	g.pieces = append(g.pieces, piece{seq, len(g.text)})
	if len(g.pieces) > maxPieces {
		g.thin()
	}
}

// thin forgets ends of pieces. The part between two ends that stay is no longer than a
// block.
func (g *growth) thin() {
	half := len(g.pieces) / 2
	thinned := g.pieces[:1]
	for i := 1; i < half; i++ {
		last := thinned[len(thinned)-1]
		if i%2 == 1 && g.pieces[i+1].end-last.end <= MaxBlock {
			continue
		}
		thinned = append(thinned, g.pieces[i])
	}
	g.pieces = append(thinned, g.pieces[half:]...)
}

// size is what the message counts against a bound.
func (g *growth) size(m *store.Message) int64 {
	return int64(m.Size() - len(m.Data) + len(g.text) + pieceSize*len(g.pieces))
}

// has returns the number for store.TopicCursor.Ahead of a reader that has the text up to
// an offset: one more than the length of the text if it also knows that there is no more.
func (g *growth) has(to int) int {
	if g.sealed && to == len(g.text) {
		return to + 1
	}
	return to
}

// next returns the first piece that a reader lacks that has everything up to seq, and
// what has says of this message. from is where the reader's part ends. ok is false if it
// lacks nothing.
func (g *growth) next(seq uint64, have int) (i, from int, ok bool) {
	if have > len(g.text) {
		return 0, 0, false
	}
	i = sort.Search(len(g.pieces), func(i int) bool { return g.pieces[i].seq > seq })
	if i > 0 {
		from = g.pieces[i-1].end
	}
	if have > from {
		// A piece that the reader has whole is passed over, unless it says that the
		// message is complete.
		j := sort.Search(len(g.pieces), func(j int) bool { return g.pieces[j].end > have })
		if j == len(g.pieces) && g.sealed {
			j--
		}
		i, from = max(i, j), have
	}
	return i, from, i < len(g.pieces)
}

// block returns where an entry ends that begins at from with the piece i.
func (g *growth) block(i, from int) (end int) {
	end = g.pieces[i].end
	for _, p := range g.pieces[i+1:] {
		if p.end-from > MaxBlock {
			break
		}
		end = p.end
	}
	return end
}

// lastBefore returns the number of the last piece from i on that ends at to or before,
// and has a number below next.
func (g *growth) lastBefore(i, to int, next uint64) uint64 {
	for i+1 < len(g.pieces) && g.pieces[i+1].end <= to && g.pieces[i+1].seq < next {
		i++
	}
	return g.pieces[i].seq
}

// upTo returns, as has does, what a reader has that has everything up to seq.
func (g *growth) upTo(seq uint64) int {
	i := sort.Search(len(g.pieces), func(i int) bool { return g.pieces[i].seq > seq })
	switch i {
	case 0:
		return 0
	case len(g.pieces):
		return g.has(len(g.text))
	}
	return g.pieces[i-1].end
}

// cut returns the end of a part of the text that begins at from, has at most MaxBlock
// bytes, and ends between two characters.
func (g *growth) cut(from int) int {
	end := min(len(g.text), from+MaxBlock)
	for end < len(g.text) && end > from+1 && !utf8.RuneStart(g.text[end]) {
		end--
	}
	return end
}

// part returns an entry for the text from one offset to another.
func (k *kept) part(from, to int) store.TopicEntry {
	g := k.growth
	m := k.message
	if to != len(g.text) || from != to-len(m.Data) { // it is not just the last piece
		m = &store.Message{Event: m.Event, Key: m.Key, Data: g.text[from:to:to]}
	}
	return store.TopicEntry{
		Message: m, Grows: true, Offset: from, Done: g.sealed && to == len(g.text),
	}
}
