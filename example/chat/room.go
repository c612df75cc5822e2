package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/mirage-go/mirage"
)

const (
	maxHistory = 100 // messages that a new reader gets
	maxText    = 500 // characters of a message
	maxName    = 24  // characters of a name
	maxPeople  = 200 // in the list of people
)

// A room is the state of the application: the history and the people who are here. Mirage
// itself only keeps the messages that are being delivered.
type room struct {
	mu      sync.Mutex
	last    int64              // the latest stamp
	history []line             // at most maxHistory, by their stamps
	people  map[string]*person // by mirage id, until their session ends

	presence presence
}

// line is one message of the history, as it was sent. All readers that get it share its
// bytes.
type line struct {
	id, key string // its sender's id, and the key that the sender gave it
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

// options returns the options of a Live whose visitors are in the room.
func (r *room) options() mirage.Options {
	return mirage.Options{
		Overflow:  mirage.OverflowDropOldest, // readers away for long miss the oldest, and are told so
		OnAttach:  r.attach,
		OnMessage: r.receive,
		OnDetach:  r.detach,
		OnGap:     r.gap,
		OnEnd:     r.end,
		Logger:    slog.Default(),
	}
}

// stamp returns the time in microseconds, or more if needed to be later than every
// earlier stamp. It numbers the events in the room, also over restarts.
func (r *room) stamp() int64 {
	r.last = max(r.last+1, time.Now().UnixMicro())
	return r.last
}

// attach greets a reader: a new tab, or one that was disconnected for more than ten
// seconds.
func (r *room) attach(ctx context.Context, s *mirage.Session, who mirage.Reader) {
	r.mu.Lock()
	me := r.people[s.ID()]
	if me == nil {
		me = &person{name: defaultName(s.ID()), since: r.stamp()}
		r.people[s.ID()] = me
	}
	me.tabs++
	if me.tabs == 1 { // a further tab changes nothing for the others
		r.changedLocked(s, s.ID())
	}
	r.showLocked(s, who.Reader)
	name := me.name
	r.mu.Unlock()
	r.recall(ctx, s, who.Reader)
	r.welcome(ctx, s, who.Reader, name)
}

// detach handles a reader that has been disconnected for ten seconds.
func (r *room) detach(_ context.Context, s *mirage.Session, _ mirage.Reader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.people[s.ID()]; p != nil {
		if p.tabs--; p.tabs == 0 {
			r.changedLocked(s, s.ID())
		}
	}
}

// gap resends the history and the list of people to a reader that has lost messages.
func (r *room) gap(ctx context.Context, s *mirage.Session, who mirage.Reader, _ mirage.Lost) {
	r.recall(ctx, s, who.Reader)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.showLocked(s, who.Reader)
}

// end removes a person whose session has ended, unless they already have a new one.
func (r *room) end(_ context.Context, e mirage.Ended) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.people[e.ID]; p != nil && p.tabs <= 0 {
		delete(r.people, e.ID)
	}
}
