package session

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// A Session is the mailbox of one mirage id, as callbacks and Manager.Open hand it out. It is a handle: cheap, safe for concurrent use, and
// of no use once the session is over (its methods are ErrNotFound then).
type Session struct {
	m     *Manager
	id    string
	log   Log
	order serial
	rate  bucket
	dead  atomic.Bool // the log is over: a later session of this id has another Session

	// Guarded by the Manager's lock.
	refs    int
	lingers bool // one of the refs is there to keep the bucket
	linger  *alarm

	watch sync.Once // of the log, before the first link
	stop  func()

	mu    sync.Mutex
	links atomic.Pointer[links] // copied on write under mu, so that waking needs no lock
}

// links are those of a session.
type links struct {
	all  []*Link
	room [1]*Link // mostly there is one
}

// newLinks returns an empty list.
func newLinks() *links {
	ls := new(links)
	ls.all = ls.room[:0]
	return ls
}

// ID is the mirage id.
func (s *Session) ID() string { return s.id }

// Send appends a message for every reader of the session. See Manager.Send.
func (s *Session) Send(ctx context.Context, msg Message) error { return s.SendTo(ctx, "", msg) }

// SendTo appends a message for one reader; ErrNotFound if the session knows none of that name. The others pass over it. An empty name
// is every reader.
func (s *Session) SendTo(ctx context.Context, reader string, msg Message) error {
	if err := s.m.check(&msg); err != nil {
		return err
	}
	_, err := s.log.Append(ctx, &msg, reader)
	return err
}

// Broadcast is the Manager's, for callbacks that have only the Session at hand.
func (s *Session) Broadcast(ctx context.Context, msg Message) (Sent, error) {
	return s.m.Broadcast(ctx, msg)
}

// all returns the links that live here; not to be changed.
func (s *Session) all() []*Link {
	if ls := s.links.Load(); ls != nil {
		return ls.all
	}
	return nil
}

// die notes that the log is over. Who takes from a link finds out why; nobody does so from a parked one.
func (s *Session) die() {
	s.dead.Store(true)
	for _, l := range s.all() {
		if l.parked.Load() {
			l.Close()
		}
	}
}

func (s *Session) wake() {
	for _, l := range s.all() {
		l.wake()
	}
}

// add makes l one of the links. A parked one that waited for a request to carry it on has found it in l; of too many, the one that
// has been parked for longest goes: the log has ended it.
func (s *Session) add(l *Link) {
	carried := func(o *Link) bool { return o.parked.Load() && o.Hello.Link.Number == l.Hello.Link.Number }
	s.mu.Lock()
	before := s.all()
	now := newLinks()
	for _, o := range before {
		if !carried(o) { // else to remove it would take another copy
			now.all = append(now.all, o)
		}
	}
	now.all = append(now.all, l)
	s.links.Store(now)
	s.mu.Unlock()
	for _, o := range before {
		if carried(o) {
			o.close(false)
		}
	}
	if len(now.all) <= s.m.o.MaxLinks {
		return
	}
	if i := slices.IndexFunc(now.all, func(o *Link) bool { return o.parked.Load() }); i >= 0 {
		now.all[i].Close()
	}
}

func (s *Session) remove(l *Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.all(), l) { // another one carries it on
		return
	}
	now := newLinks()
	for _, o := range s.all() {
		if o != l {
			now.all = append(now.all, o)
		}
	}
	s.links.Store(now)
}
