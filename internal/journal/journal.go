package journal

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// A Journal is open. Its methods may be called concurrently.
//
// Three goroutines belong to it: one writes (writer.go), one fsyncs (sync.go), one
// prepares segments (prepare.go).
type Journal struct {
	options Options
	dir     string
	fs      FS
	log     *slog.Logger
	lock    Lock
	id      identity
	seed    uint32
	boot    string

	full, behind    atomic.Bool
	current, oldest atomic.Uint32

	rollAgain time.Time // before, a new segment is not tried: used by the one who writes

	wake    chan struct{} // tells the writer that there is something to do
	kick    chan struct{} // tells the preparer that it may be needed
	quit    chan struct{} // closed when the goroutines are to end
	running sync.WaitGroup

	rewriting sync.Mutex // held by DropBefore, Recovered and Backup: segments are not removed meanwhile

	mu      sync.Mutex
	phase   phase
	writing bool       // somebody writes, and is the only one who uses the segment
	idle    *sync.Cond // nobody writes
	pending *batch
	spare   *batch     // empty, for reuse
	taken   *sync.Cond // a batch has been taken, so there is room in the next one
	orders  []order    // for the writer
	next    uint64     // sequence number of the next frame
	written uint64     // frames below are written

	segment  *segment   // that is being written
	segments []*segment // all, the oldest first
	unsynced []*segment // written to the end, but not yet fsynced

	lost []*segment // could not be fsynced, and that is not tried again

	prepared    []*segment
	nextNumber  uint32
	leftovers   []*segmentFile // of the last run, to be used again
	noRoom      bool           // the last attempt to prepare a segment failed
	preparation *sync.Cond     // an attempt has ended

	durable        uint64 // frames below are fsynced
	syncing        bool
	synced         *sync.Cond // an fsync has ended
	failed         uint32     // the last segment in which records may be missing
	gapFrom, gapTo uint64     // frames that could not be fsynced
	gapSegment     uint32     // the last segment that could not be fsynced
	oldestNeeded   uint32
	stateVersion   uint64
}

// A phase moves only forwards.
type phase int

const (
	phaseOpen    phase = iota
	phaseClosing       // what has been appended is being written, and nothing more is accepted
	phaseClosed
)

// A segment is a file of the journal.
type segment struct {
	number uint32
	name   string
	file   File // nil once it is fsynced and written to the end
	size   int64
	end    int64
	bad    bool // nothing more is written here
}

// room reports whether n bytes fit, and after them a frame that ends the segment.
func (s *segment) room(n int64) bool { return !s.bad && s.end+n+reserved <= s.size }

// reserved is the room at the end of each segment for the frame that ends it.
const reserved = overhead + 4

// An order is a function that the writer runs.
type order struct {
	run  func()
	done chan struct{}
}

// Mark identifies a record that has been appended.
type Mark uint64

// Full reports whether there is no room for records that make the state grow. Others may
// still be appended.
func (j *Journal) Full() bool { return j.full.Load() }

// Behind reports whether a record could not be written or fsynced, or Open found that
// some may be missing. It is marked so on the disk.
func (j *Journal) Behind() bool { return j.behind.Load() }

// Current returns the number of the segment that is being written.
func (j *Journal) Current() uint32 { return j.current.Load() }

// Oldest returns the number of the oldest segment.
func (j *Journal) Oldest() uint32 { return j.oldest.Load() }

// Size returns how many bytes have been written to all segments that have not been
// dropped.
func (j *Journal) Size() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()

	var n int64
	for _, s := range j.segments {
		n += s.end
	}
	return n
}

// stateLocked returns the state as it is to be written now.
func (j *Journal) stateLocked() state {
	j.stateVersion++
	return state{version: j.stateVersion, behind: j.behind.Load(), oldest: j.oldestNeeded,
		durable: j.durable, time: time.Now(), gapFrom: j.gapFrom, gapTo: j.gapTo}
}
