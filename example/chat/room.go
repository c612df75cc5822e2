package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/mirage-go/mirage"
)

const (
	maxHistory = 100 // messages that a newcomer gets to see
	maxText    = 500 // characters of a message
	maxName    = 24  // characters of a name
	maxPeople  = 200 // that the list of people names
)

// A room is the state of the application: what was said and who is here. Mirage keeps
// what is on its way to whom; this is not its business.
type room struct {
	mu      sync.Mutex
	last    int64              // the latest stamp
	history []line             // at most maxHistory, by their stamps
	people  map[string]*person // by mirage id, until their session ends

	presence presence
}

// line is one message of the history, as it was sent: all who get it share its bytes.
type line struct {
	id, key string // whose it is, and what its sender calls it
	message mirage.Message
}

type person struct {
	name  string
	since int64
	tabs  int // that are here: readers
}

func newRoom() *room {
	return &room{people: make(map[string]*person), presence: presence{changed: make(map[string]bool)}}
}

// options are those of a Live whose visitors are in the room.
func (r *room) options() mirage.Options {
	return mirage.Options{
		Overflow:  mirage.OverflowDropOldest, // who is away for long misses the oldest messages, and is told which
		OnAttach:  r.attach,
		OnMessage: r.receive,
		OnDetach:  r.detach,
		OnGap:     r.gap,
		OnEnd:     r.end,
		Logger:    slog.Default(),
	}
}

// stamp is the time in microseconds, and later than every stamp before: a number for what
// happens here that stays good over restarts.
func (r *room) stamp() int64 {
	r.last = max(r.last+1, time.Now().UnixMicro())
	return r.last
}

// attach greets a reader: a new page, or one that was away for more than ten seconds.
func (r *room) attach(ctx context.Context, s *mirage.Session, who mirage.Reader) {
	r.mu.Lock()
	me := r.people[s.ID()]
	if me == nil {
		me = &person{name: defaultName(s.ID()), since: r.stamp()}
		r.people[s.ID()] = me
	}
	me.tabs++
	if me.tabs == 1 { // one more tab changes nothing for the others
		r.changedLocked(s, s.ID())
	}
	r.showLocked(s, who.Reader)
	name := me.name
	r.mu.Unlock()
	r.recall(ctx, s, who.Reader)
	r.welcome(ctx, s, who.Reader, name)
}

// detach notes that a reader has been away for ten seconds.
func (r *room) detach(_ context.Context, s *mirage.Session, _ mirage.Reader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.people[s.ID()]; p != nil {
		if p.tabs--; p.tabs == 0 {
			r.changedLocked(s, s.ID())
		}
	}
}

// gap makes up for what a reader has lost, from the history and with the list of people.
func (r *room) gap(ctx context.Context, s *mirage.Session, who mirage.Reader, _ mirage.Lost) {
	r.recall(ctx, s, who.Reader)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.showLocked(s, who.Reader)
}

// end forgets somebody whose session is over, unless they have a new one already.
func (r *room) end(_ context.Context, e mirage.Ended) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.people[e.ID]; p != nil && p.tabs <= 0 {
		delete(r.people, e.ID)
	}
}
