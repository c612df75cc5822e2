package client

import (
	"bytes"
	"slices"
)

const (
	mostGrowing    = 64      // growing messages of a topic that are kept
	largestWhole   = 1 << 20 // bytes of a growing message that are kept
	largestGrowing = 4 << 20 // bytes of all growing messages of a topic
)

// A growing is what there is of a growing message.
type growing struct {
	name  growingName
	first uint64 // the number of its first piece; 0 if it was read whole
	whole []byte
	size  uint64 // the offset at which it continues
	part  bool   // the beginning is missing, or it is too large to be kept
	done  bool
}

type growingName struct{ event, key string }

// grow takes a piece with the number n, 0 for none. A piece at offset 0 replaces what
// there is of the message, unless isKnown says that the number has come before, or what
// there is begins it: after a cut a piece may come again, and with more than it had. It
// returns false if nothing is new.
func (t *topic) grow(e *event, n uint64, isKnown bool) (Message, bool) {
	name := growingName{e.Name, e.Key}
	offset := uint64(e.Grow)
	known := t.findGrowing(name)
	if known != nil && offset == 0 && !isKnown && !known.isBeginningOf(e.Data, n) {
		known = nil
	}
	if isKnown && known != nil && n < known.first {
		return Message{}, false // of a message before this one
	}

	isNew := known == nil
	if isNew {
		known = &growing{name: name, first: n, size: offset, part: offset > 0}
	}
	piece := e.Data
	if known.size > offset {
		piece = piece[min(known.size-offset, uint64(len(piece))):]
	}
	if !isNew && len(piece) == 0 && (known.done || !e.Done) {
		return Message{}, false
	}
	if isNew {
		t.addGrowing(known)
	}

	known.size = max(known.size, offset+uint64(len(e.Data)))
	known.done = known.done || e.Done
	if known.part = known.part || len(known.whole)+len(piece) > largestWhole; known.part {
		known.whole = nil
	} else {
		known.whole = append(known.whole, piece...) // behind what others hold
	}
	t.evictGrowing(known)
	m := e.message()
	m.Data, m.Grows, m.Done = piece, true, known.done
	m.Whole = known.whole[:len(known.whole):len(known.whole)]
	return m, true
}

// isBeginningOf reports whether a message that comes from its beginning is this one,
// which has grown. It comes again if the link began before it was delivered: whole and
// without a number, or as pieces up to the number n.
func (g *growing) isBeginningOf(data []byte, n uint64) bool {
	return (n == 0 || !g.done) && !g.part && bytes.HasPrefix(data, g.whole)
}

func (t *topic) findGrowing(name growingName) *growing {
	for _, g := range t.growing {
		if g.name == name {
			return g
		}
	}
	return nil
}

// addGrowing adds a message in place of an earlier one of its name.
func (t *topic) addGrowing(g *growing) {
	t.growing = slices.DeleteFunc(t.growing, func(other *growing) bool { return other.name == g.name })
	t.growing = append(t.growing, g)
}

// evictGrowing evicts messages if there are too many: the oldest one that is complete, or
// the oldest one, but not the newest piece's.
func (t *topic) evictGrowing(newest *growing) {
	size := 0
	for _, g := range t.growing {
		size += len(g.whole)
	}
	for len(t.growing) > mostGrowing || size > largestGrowing {
		evicted := slices.IndexFunc(t.growing, func(g *growing) bool { return g.done && g != newest })
		if evicted < 0 {
			evicted = slices.IndexFunc(t.growing, func(g *growing) bool { return g != newest })
		}
		size -= len(t.growing[evicted].whole)
		t.growing = slices.Delete(t.growing, evicted, evicted+1)
	}
}
