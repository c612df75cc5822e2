package session

import (
	"slices"
	"time"
)

// aliases are ids whose sessions moved, and by which one client may still find them for a while.
type aliases struct {
	moved  map[string]alias    // by the old id
	origin map[string][]string // the old ids by the new one
}

type alias struct {
	id, client string
	until      time.Time
}

func newAliases() aliases {
	return aliases{moved: make(map[string]alias), origin: make(map[string][]string)}
}

// add lets client find from under to.
func (a *aliases) add(from, to, client string, until time.Time) {
	a.drop(from)
	a.moved[from] = alias{to, client, until}
	a.origin[to] = append(a.origin[to], from)
}

// drop forgets where from went.
func (a *aliases) drop(from string) {
	to, ok := a.moved[from]
	if !ok {
		return
	}
	delete(a.moved, from)
	a.origin[to.id] = slices.DeleteFunc(a.origin[to.id], func(o string) bool { return o == from })
	if len(a.origin[to.id]) == 0 {
		delete(a.origin, to.id)
	}
}

// settle forgets the old ids of id, and the old ids of these.
func (a *aliases) settle(id string) {
	for _, from := range slices.Clone(a.origin[id]) {
		a.drop(from)
		a.settle(from)
	}
}

// find returns where the client's id is now: it may have moved several times.
func (a *aliases) find(id, client string, now time.Time) string {
	for range 8 { // and in a circle, if it comes to the worst
		to, ok := a.moved[id]
		if !ok || to.client != client || !now.Before(to.until) {
			break
		}
		id = to.id
	}
	return id
}

// expire forgets what has run out.
func (a *aliases) expire(now time.Time) {
	for from, to := range a.moved {
		if !now.Before(to.until) {
			a.drop(from)
		}
	}
}
