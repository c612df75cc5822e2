package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mirage-go/mirage/session"
)

const (
	maxHistory = 100 // messages that a newcomer gets to see
	maxPeople  = 200 // that a list of people names
	maxText    = 500 // characters of a message
	maxName    = 24  // characters of a name
)

// A room is the state of the application: what was said and who is here. Mirage keeps what is on its way to whom; this is not its business.
type room struct {
	mu      sync.Mutex
	last    int64              // the latest stamp
	history []line             // at most maxHistory, by their stamps
	people  map[string]*person // by mirage id, until their session ends
}

// line is one message of the history, as it was sent: all who get it share its bytes.
type line struct {
	id, key string // whose it is, and what its sender calls it
	message session.Message
}

type person struct {
	name  string
	since int64
	tabs  int // that are here: readers
}

func newRoom() *room { return &room{people: make(map[string]*person)} }

// stamp is the time in microseconds, and later than every stamp before: a number for what happens here that stays good over restarts.
func (r *room) stamp() int64 {
	r.last = max(r.last+1, time.Now().UnixMicro())
	return r.last
}

func (r *room) person(id string) *person {
	p := r.people[id]
	if p == nil {
		p = &person{name: defaultName(id), since: r.stamp()}
		r.people[id] = p
	}
	return p
}

// attach greets a reader: a new page, or one that was away for more than ten seconds.
func (r *room) attach(ctx context.Context, s *session.Session, who session.ReaderInfo) {
	r.mu.Lock()
	me := r.person(s.ID())
	me.tabs++
	name := me.name
	r.mu.Unlock()
	r.recall(ctx, s, who.Reader)
	r.send(ctx, s, who.Reader, "welcome", map[string]any{"name": name, "now": time.Now().UnixMicro()})
	r.tell(ctx, s)
}

// detach notes that a reader has been away for ten seconds.
func (r *room) detach(ctx context.Context, s *session.Session, _ session.ReaderInfo) {
	r.mu.Lock()
	r.person(s.ID()).tabs--
	r.mu.Unlock()
	r.tell(ctx, s)
}

// gap makes up from the history for what a reader has lost.
func (r *room) gap(ctx context.Context, s *session.Session, who session.ReaderInfo, _ session.Lost) {
	r.recall(ctx, s, who.Reader)
}

// end forgets somebody whose session is over.
func (r *room) end(_ context.Context, e session.Ended) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.people[e.ID]; p != nil && p.tabs <= 0 {
		delete(r.people, e.ID)
	}
}

// receive handles what a client sends: "say", "name", or the plain text of somebody with curl.
func (r *room) receive(ctx context.Context, s *session.Session, in session.Incoming) error {
	var v struct{ Text, Key, Name string }
	if in.Event == "" {
		v.Text = string(in.Data)
	} else if err := json.Unmarshal(in.Data, &v); err != nil {
		return err
	}
	switch in.Event {
	case "", "say":
		return r.say(ctx, s, v.Text, v.Key, in.Again)
	case "name":
		return r.rename(ctx, s, v.Name)
	}
	return errors.New("no such event: " + in.Event)
}

// say tells everybody. What comes again, after its server or session has forgotten it, is not said twice while the history knows it.
func (r *room) say(ctx context.Context, s *session.Session, text, key string, again bool) error {
	text = clean(text, maxText)
	if text == "" || len(key) > 64 {
		return errors.New("a message has text, and a key of at most 64 bytes")
	}
	l, fresh, err := r.note(s.ID(), text, key, again)
	if err != nil || !fresh {
		return err
	}
	_, err = s.Broadcast(ctx, l.message) // without the lock: pages put messages in the order of their stamps
	return err
}

func (r *room) note(id, text, key string, again bool) (l line, fresh bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := func(l line) bool { return l.id == id && l.key == key }
	if again && slices.ContainsFunc(r.history, known) {
		return line{}, false, nil
	}
	l = line{id: id, key: key}
	l.message, err = session.JSON("say", map[string]any{
		"at": r.stamp(), "id": id, "name": r.person(id).name, "text": text, "key": key,
	})
	r.history = append(r.history, l)
	r.history = slices.Delete(r.history, 0, max(0, len(r.history)-maxHistory))
	return l, true, err
}

func (r *room) rename(ctx context.Context, s *session.Session, name string) error {
	name = clean(name, maxName)
	r.mu.Lock()
	if name == "" {
		name = defaultName(s.ID())
	}
	r.person(s.ID()).name = name
	r.mu.Unlock()
	r.tell(ctx, s)
	return nil
}

// recall sends the history to one reader.
func (r *room) recall(ctx context.Context, s *session.Session, reader string) {
	r.mu.Lock()
	history := slices.Clone(r.history)
	r.mu.Unlock()
	for _, l := range history {
		if err := s.SendTo(ctx, reader, session.Message{Event: "past", Data: l.message.Data}); err != nil {
			return // the reader has gone
		}
	}
}

// tell tells everybody who is here. Lists may overtake each other; the latest one counts.
func (r *room) tell(ctx context.Context, s *session.Session) {
	type entry struct {
		ID    string `json:"id"`
		Name  string `json:"name"`
		since int64
	}
	r.mu.Lock()
	at, here := r.stamp(), []entry{}
	for id, p := range r.people {
		if p.tabs > 0 {
			here = append(here, entry{id, p.name, p.since})
		}
	}
	r.mu.Unlock()
	slices.SortFunc(here, func(a, b entry) int { return cmp.Compare(a.since, b.since) })
	total := len(here)
	msg, err := session.JSON("people", map[string]any{"at": at, "total": total, "here": here[:min(total, maxPeople)]})
	if err == nil {
		_, err = s.Broadcast(ctx, msg)
	}
	if err != nil {
		slog.Error("telling who is here", "error", err)
	}
}

func (r *room) send(ctx context.Context, s *session.Session, reader, event string, v any) {
	msg, err := session.JSON(event, v)
	if err == nil {
		err = s.SendTo(ctx, reader, msg)
	}
	if err != nil {
		slog.Error("greeting a reader", "error", err)
	}
}
