package memory

import (
	"time"

	"github.com/mirage-go/mirage/store"
)

// ring holds a log's entries, oldest first, in a circular buffer that grows on demand and
// is released when it has been emptied.
type ring struct {
	slots []slot // its length is zero or a power of two
	head  int
	n     int
}

// A slot is small: with many sessions under load, fetching it from memory is most of the
// cost of an entry.
type slot struct {
	message *store.Message
	at      uint32 // when it was appended, in ticks since the store began
	size    uint32 // of the message, which may be out of the cache
}

// tick is a sixteenth of a second: 32 bits of it are eight years.
const tick = int64(time.Second / 16)

const (
	ringMin  = 4
	ringKeep = 64 // an empty ring of more slots than this is released
)

func (r *ring) push(s slot) {
	if r.n == len(r.slots) {
		grown := make([]slot, max(ringMin, 2*len(r.slots)))
		for i := range r.n {
			grown[i] = *r.at(i)
		}
		r.slots, r.head = grown, 0
	}
	r.n++
	*r.at(r.n - 1) = s
}

// at returns the i-th slot from the oldest.
func (r *ring) at(i int) *slot { return &r.slots[(r.head+i)&(len(r.slots)-1)] }

// pop removes the oldest slot.
func (r *ring) pop() slot {
	s := r.at(0)
	old := *s
	*s = slot{}
	r.head = (r.head + 1) & (len(r.slots) - 1)
	r.n--
	if r.n == 0 && len(r.slots) > ringKeep {
		*r = ring{}
	}
	return old
}
