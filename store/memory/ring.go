package memory

import (
	"time"

	"github.com/mirage-go/mirage/store"
)

// ring is a queue, oldest first, in a circular buffer that grows on demand and is
// released when it has been emptied. One ring holds a log's entries.
type ring[T any] struct {
	slots []T // its length is zero or a power of two
	head  int
	n     int
}

// A slot is small: with many sessions under load, fetching it from memory is most of the
// cost of an entry.
type slot struct {
	message *store.Message // nil if the entry left before older ones; see sparse
	at      uint32         // when it was appended, in ticks since the store began
	size    uint32         // of the message, which may be out of the cache
}

// tick is a sixteenth of a second: 32 bits of it are eight years.
const tick = int64(time.Second / 16)

const (
	ringMin  = 4
	ringKeep = 64 // an empty ring of more slots than this is released
)

func (r *ring[T]) push(s T) {
	if r.n == len(r.slots) {
		grown := make([]T, max(ringMin, 2*len(r.slots)))
		for i := range r.n {
			grown[i] = *r.at(i)
		}
		r.slots, r.head = grown, 0
	}
	r.n++
	*r.at(r.n - 1) = s
}

// at returns the i-th slot from the oldest.
func (r *ring[T]) at(i int) *T { return &r.slots[(r.head+i)&(len(r.slots)-1)] }

// pop removes the oldest slot.
func (r *ring[T]) pop() T {
	s := r.at(0)
	old := *s
	var none T
	*s = none
	r.head = (r.head + 1) & (len(r.slots) - 1)
	r.n--
	if r.n == 0 && len(r.slots) > ringKeep {
		*r = ring[T]{}
	}
	return old
}

// truncate removes all but the n oldest slots.
func (r *ring[T]) truncate(n int) {
	var none T
	for i := n; i < r.n; i++ {
		*r.at(i) = none
	}
	r.n = n
	if n == 0 && len(r.slots) > ringKeep {
		*r = ring[T]{}
	}
}
