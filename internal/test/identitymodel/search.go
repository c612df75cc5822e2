package identitymodel

import (
	"fmt"
	"hash/maphash"
	"slices"
)

// A verdict is the result of a search.
type verdict struct {
	states   int
	fault    fault    // the first one, or noFault
	trace    []string // the steps that lead there, as few as possible
	complete bool     // every state was explored
}

// search explores all states of a world, breadth first, until it finds a fault or there
// are more states than limit.
func (w *world) search(limit int) verdict {
	found := newStateSet()
	start := w.start()
	found.index(&start)
	parents := []uint32{0} // the state from which each state was reached first
	reached := edges{}

	for at := uint32(0); int(at) < found.len(); at++ {
		fault, faulty := noFault, uint32(0)
		w.steps(*found.at(at), func(next state, _ string, _ ...any) {
			if fault != noFault {
				return
			}
			i, isNew := found.index(&next)
			if isNew {
				parents = append(parents, at)
			}
			if w.hasGoal() {
				reached.add(at, i)
			}
			fault, faulty = next.fault, i
		})
		if fault != noFault {
			return verdict{states: found.len(), fault: fault, trace: w.trace(found, parents, faulty)}
		}
		if found.len() > limit {
			return verdict{states: found.len()}
		}
	}

	v := verdict{states: found.len(), complete: true}
	if w.hasGoal() {
		if i, ok := w.stuck(found, &reached); ok {
			v.fault, v.trace = faultUnreachable, w.trace(found, parents, i)
		}
	}
	return v
}

// stuck searches for a state from which the goal can no longer be reached. The goal must
// be reachable from every state, whatever the attacker has done. It need not be reached
// in every run, because the attacker may never stop.
func (w *world) stuck(found *stateSet, reached *edges) (uint32, bool) {
	can := make([]bool, found.len())
	var queue []uint32
	for i := range can {
		if w.done(found.at(uint32(i))) {
			can[i] = true
			queue = append(queue, uint32(i))
		}
	}

	into := reached.backwards(found.len())
	for len(queue) > 0 {
		last := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, i := range into(last) {
			if !can[i] {
				can[i] = true
				queue = append(queue, i)
			}
		}
	}

	i := slices.Index(can, false)
	return uint32(i), i >= 0
}

// trace repeats the steps from the start to a state, to get their descriptions.
func (w *world) trace(found *stateSet, parents []uint32, to uint32) (steps []string) {
	for ; to != 0; to = parents[to] {
		text := ""
		w.steps(*found.at(parents[to]), func(next state, format string, args ...any) {
			if text == "" && next == *found.at(to) {
				text = fmt.Sprintf(format, args...)
			}
		})
		steps = append(steps, text)
	}
	slices.Reverse(steps)
	return steps
}

// A stateSet numbers states in the order in which they were found.
type stateSet struct {
	seed   maphash.Seed
	byHash map[uint64]uint32
	chunks [][]state // of chunkSize states each, so that growing copies nothing
}

const chunkSize = 1 << 12

func newStateSet() *stateSet {
	return &stateSet{seed: maphash.MakeSeed(), byHash: map[uint64]uint32{}}
}

func (f *stateSet) len() int { return len(f.byHash) }

func (f *stateSet) at(i uint32) *state { return &f.chunks[i/chunkSize][i%chunkSize] }

// index returns a state's number. States with the same hash are told apart: the second
// one takes the next free hash.
func (f *stateSet) index(s *state) (i uint32, isNew bool) {
	hash := maphash.Comparable(f.seed, *s)
	for ; ; hash++ {
		i, ok := f.byHash[hash]
		if !ok {
			break
		}
		if *f.at(i) == *s {
			return i, false
		}
	}

	i = uint32(f.len())
	f.byHash[hash] = i
	if i%chunkSize == 0 {
		f.chunks = append(f.chunks, make([]state, 0, chunkSize))
	}
	last := &f.chunks[i/chunkSize]
	*last = append(*last, *s)
	return i, true
}

// edges are the steps between states, by their numbers.
type edges struct{ from, to []uint32 }

func (e *edges) add(from, to uint32) {
	e.from, e.to = append(e.from, from), append(e.to, to)
}

// backwards returns a function that returns the states from which a state can be reached.
func (e *edges) backwards(states int) func(to uint32) []uint32 {
	ends := make([]uint32, states+1) // ends[i]: of the list of i, the start of that of i+1
	for _, to := range e.to {
		ends[to+1]++
	}
	for i := range states {
		ends[i+1] += ends[i]
	}
	from, next := make([]uint32, len(e.to)), slices.Clone(ends)
	for i, to := range e.to {
		from[next[to]] = e.from[i]
		next[to]++
	}
	return func(to uint32) []uint32 { return from[ends[to]:ends[to+1]] }
}
