package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/mirage-go/mirage"
)

// tellEvery is the minimum time between two broadcasts of changes. Changes in between are
// sent together.
const tellEvery = time.Second

// presence holds the changes in the list of people that have not been sent yet. It is
// guarded by the room's lock.
type presence struct {
	changed  map[string]bool // by id: people who came, left or have another name
	arrivals []arrival       // readers that need the whole list
	via      *mirage.Session // some session, whose Broadcast reaches all
	pending  bool            // flush is going to run, or runs
	told     time.Time       // when flush ran last
}

type arrival struct {
	session *mirage.Session
	reader  string
}

// entry is a person in the list.
type entry struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	since int64
}

// changedLocked schedules a broadcast of a person's changes.
func (r *room) changedLocked(s *mirage.Session, id string) {
	r.presence.changed[id] = true
	r.scheduleLocked(s)
}

// showLocked schedules sending the whole list to a reader.
func (r *room) showLocked(s *mirage.Session, reader string) {
	r.presence.arrivals = append(r.presence.arrivals, arrival{s, reader})
	r.scheduleLocked(s)
}

func (r *room) scheduleLocked(s *mirage.Session) {
	r.presence.via = s
	if !r.presence.pending {
		r.presence.pending = true
		time.AfterFunc(time.Until(r.presence.told.Add(tellEvery)), r.flush)
	}
}

// flush sends the changes to everybody, and then the whole list to new readers. Only one
// flush runs at a time, so that what is sent later is newer.
func (r *room) flush() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r.mu.Lock()
	via, arrivals := r.presence.via, r.presence.arrivals
	r.presence.arrivals = nil
	changes := r.changesLocked()
	people := r.peopleLocked()
	r.mu.Unlock()

	if changes != nil {
		broadcast(ctx, via, "changes", changes)
	}
	if msg, err := mirage.JSON("people", people); err == nil {
		for _, a := range arrivals {
			_, _ = a.session.SendTo(ctx, a.reader, msg) // a reader that has gone needs no list
		}
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	r.presence.pending, r.presence.told = false, time.Now()
	if len(r.presence.changed)+len(r.presence.arrivals) > 0 {
		r.scheduleLocked(r.presence.via)
	}
}

// changesLocked removes and returns at most maxPeople of the changes, or nil if there are
// none.
func (r *room) changesLocked() map[string]any {
	if len(r.presence.changed) == 0 {
		return nil
	}

	here, gone := []entry{}, []string{}
	for id := range r.presence.changed {
		if len(here)+len(gone) == maxPeople {
			break // the others are sent next time
		}
		delete(r.presence.changed, id)
		if p := r.people[id]; p != nil && p.tabs > 0 {
			here = append(here, entry{id, p.name, p.since})
		} else {
			gone = append(gone, id)
		}
	}

	slices.SortFunc(here, bySince)
	return map[string]any{"at": r.stamp(), "total": len(r.hereLocked()), "here": here, "gone": gone}
}

// peopleLocked returns the whole list: the first maxPeople of those who are here.
func (r *room) peopleLocked() map[string]any {
	here := r.hereLocked()
	slices.SortFunc(here, bySince)
	return map[string]any{"at": r.stamp(), "total": len(here), "here": here[:min(len(here), maxPeople)]}
}

func (r *room) hereLocked() []entry {
	here := []entry{}
	for id, p := range r.people {
		if p.tabs > 0 {
			here = append(here, entry{id, p.name, p.since})
		}
	}
	return here
}

func bySince(a, b entry) int { return cmp.Compare(a.since, b.since) }

func broadcast(ctx context.Context, s *mirage.Session, event string, v any) {
	msg, err := mirage.JSON(event, v)
	if err == nil {
		_, err = s.Broadcast(ctx, msg)
	}
	if err != nil && !errors.Is(err, mirage.ErrClosed) { // then nobody is here
		slog.Error("telling everybody", "event", event, "error", err)
	}
}
