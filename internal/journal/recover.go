package journal

import (
	"fmt"
	"log/slog"
	"time"
)

// Recovery says what Open found.
type Recovery struct {
	// Found reports whether there was a journal.
	Found bool

	// Continues reports whether no record can be missing that was answered. Otherwise
	// whoever reads the records must not continue their numbers, and the journal is
	// behind until Recovered. It is true for a new journal.
	Continues bool

	// Clean reports whether the journal was ended by Close.
	Clean bool

	// Stopped is the last time that the journal is known to have been open. It is written
	// each second. It is zero if it is not known.
	Stopped time.Time

	Records int64 // that apply was called with
	Bytes   int64 // of these records

	// Cut is what was cut off the end, or passed over with Repair. It is nil if nothing
	// was. If there are several, it is the first.
	Cut *Cut
}

// A Cut is a part of the journal that has not been read.
type Cut struct {
	File   string
	Offset int64
	Bytes  int64 // of this file and of those after it that were cut off with it
}

func (c *Cut) String() string {
	return fmt.Sprintf("%s at offset %d, %d bytes", c.File, c.Offset, c.Bytes)
}

// A recovery reads a journal.
type recovery struct {
	fs     FS
	log    *slog.Logger
	repair bool
	boot   string
	lock   uint64
	chain  *chain
	apply  func([]byte) error

	Recovery
	head       *segmentFile // the last segment that was found: its state is in force
	next       uint64       // sequence number of the next frame
	end        int64        // where the last segment that counts ends
	ended      *segmentFile // that segment
	incomplete bool         // only a frame was cut off whose write was interrupted
	passed     uint32       // the last segment in which something was passed over
	successor  uint32       // the segment in which the last one says that the journal goes on
}

// run calls apply with each record.
func (r *recovery) run() error {
	r.next = 1
	if len(r.chain.segments) == 0 {
		r.Continues = true
		return nil
	}

	r.Found, r.head = true, r.chain.last()
	r.Stopped = r.head.state.time
	if d := r.chain.damage; d != nil {
		r.pass(r.head.number, &Cut{File: d.File})
	}
	r.next = r.chain.segments[0].header.first
	var buffer []byte
	for i, s := range r.chain.segments {
		data, err := s.read(r.fs, buffer)
		if err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		buffer = data[:0]

		more, err := r.segment(i, data)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}

	if err := r.checkSuccessor(); err != nil {
		return err
	}
	r.Continues = r.continues()
	return nil
}

func (r *recovery) isLast(i int) bool { return i == len(r.chain.segments)-1 }

func (r *recovery) sameBoot() bool { return r.boot != "" && r.boot == r.head.header.boot }

// segment reads one segment. It reports whether the next one is to be read.
func (r *recovery) segment(i int, data []byte) (more bool, err error) {
	s, seed := r.chain.segments[i], r.head.header.id.seed()
	r.ended, r.end, r.Clean = s, headerSize, false
	if s.header.first != r.next {
		if r.passed == 0 && !r.repair {
			return false, &DamageError{File: s.name, Reason: "records between it and the file before it are missing"}
		}
		if r.passed == 0 {
			r.pass(s.number, &Cut{File: s.name})
		}
		r.next = s.header.first
	}

	for {
		rest := data[min(r.end, int64(len(data))):]
		if s.end >= 0 && r.end == s.end {
			return true, nil
		}
		if f, ok := parseFrame(rest, seed); ok && f.seq == r.next {
			if f.kind == kindNext {
				r.successor = successor(f.payload)
				return !r.isLast(i), nil
			}
			if err := r.frame(f); err != nil {
				return false, err
			}
			continue
		}

		whole := int64(len(data)) >= s.header.size || !r.isLast(i)
		if s.end < 0 && whole && usedBytes(rest) == 0 {
			return !r.isLast(i), nil
		}
		if stop, err := r.bad(i, rest, whole); stop || err != nil {
			return !stop, err
		}
	}
}

func (r *recovery) frame(f frame) error {
	r.next++
	r.end += f.size()
	r.Clean = f.kind == kindEnd
	if f.kind != kindRecord {
		return nil
	}

	r.Records++
	r.Bytes += int64(len(f.payload))
	if r.apply == nil {
		return nil
	}
	return r.apply(f.payload)
}

// bad deals with a place at which there is no intact frame, though there should be one or
// there is something. It reports whether the segment ends there.
func (r *recovery) bad(i int, rest []byte, whole bool) (stop bool, err error) {
	s, st, seed := r.chain.segments[i], r.head.state, r.head.header.id.seed()
	distance, follows := findFrame(rest, seed, r.next)
	damage := &DamageError{File: s.name, Offset: r.end}
	cut := &Cut{File: s.name, Offset: r.end, Bytes: usedBytes(rest)}
	r.Clean = false

	switch {
	case r.repair || st.gapFrom <= r.next && r.next < st.gapTo:
		return r.passOver(i, rest, distance, follows, cut), nil
	case r.next < st.durable:
		damage.Reason = "records that were on the disk cannot be read"
		return true, damage
	case r.sameBoot() && (follows || !r.isLast(i)):
		damage.Reason = "records cannot be read, and records after them can"
		return true, damage
	}

	// Later segments were written, but what comes before them was lost.
	r.incomplete = whole && r.isLast(i) && isIncomplete(rest, seed)
	for _, later := range r.chain.segments[i+1:] {
		cut.Bytes += max(later.end, headerSize) - headerSize
	}
	r.cut(cut)
	r.chain.stale = append(r.chain.stale, r.chain.segments[i+1:]...)
	r.chain.segments = r.chain.segments[:i+1]
	return true, nil
}

func (r *recovery) cut(cut *Cut) {
	r.Cut = cut
	r.log.Warn("journal: the end cannot be read and is cut off: what was written just before a kill "+
		"or a power loss is lost", "file", cut.File, "offset", cut.Offset, "bytes", cut.Bytes)
}

// passOver goes on at the next intact frame of the segment. It reports whether there is
// none.
func (r *recovery) passOver(i int, rest []byte, distance int64, follows bool, cut *Cut) (stop bool) {
	s, seed := r.chain.segments[i], r.head.header.id.seed()
	if follows {
		cut.Bytes = distance
		f, _ := parseFrame(rest[distance:], seed)
		r.next = f.seq
	}
	r.pass(s.number, cut)
	if follows {
		r.end += distance
		return false
	}
	if !r.isLast(i) && s.end >= 0 {
		r.end = s.end
		return false
	}
	return true
}

// pass notes that something was passed over.
func (r *recovery) pass(segment uint32, cut *Cut) {
	r.log.Error("journal: records cannot be read and are left out",
		"file", cut.File, "offset", cut.Offset, "bytes", cut.Bytes)
	r.passed = max(r.passed, segment)
	if r.Cut == nil {
		r.Cut = cut
	}
}

// checkSuccessor looks whether the segment is there in which the last segment says that
// the journal goes on. A power loss may leave it without a header.
func (r *recovery) checkSuccessor() error {
	if r.successor == 0 || r.Cut != nil {
		return nil
	}
	damage, used, err := checkSuccessor(r.fs, r.head, r.successor, r.chain.blank)
	if err != nil || damage == nil {
		return err
	}

	switch {
	case used > 0 && !r.sameBoot():
		r.cut(&Cut{File: damage.File, Bytes: used})
	case r.repair:
		r.pass(r.successor, &Cut{File: damage.File, Bytes: used})
	default:
		return damage
	}
	return nil
}

// continues reports whether no record can be missing that was answered.
func (r *recovery) continues() bool {
	switch {
	case r.head.state.behind || r.passed != 0 || r.head.header.lock != r.lock:
		return false
	case r.Cut == nil && r.Clean:
		return true
	case r.sameBoot():
		return r.Cut == nil || r.incomplete
	}
	return r.head.header.commits
}
