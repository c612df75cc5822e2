package session

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/mirage-go/mirage/store"
)

// A Session is the mailbox of one mirage id, as callbacks and Manager.Open hand it out. It is a handle: cheap, safe for concurrent use, and
// of no use once the session is over (its methods are store.ErrNotFound then).
type Session struct {
	m     *Manager
	id    string
	log   store.Log
	order serial

	intakes intakes
	rate    bucket      // of upstream messages
	begun   bucket      // of new links
	dead    atomic.Bool // the log is over: a later session of this id has another Session

	// Guarded by the Manager's lock.
	refs    int
	lingers bool // one of the refs is there to keep the buckets
	linger  *alarm

	watch sync.Once // of the log, before the first link
	stop  func()

	mu    sync.Mutex
	away  map[string]*departure // the last of each reader, if it has a value
	links atomic.Pointer[Link]  // the newest, which knows the next. Changed under mu; waking walks it without
}

// ID is the mirage id.
func (s *Session) ID() string { return s.id }

// Send appends a message for every reader of the session. See Manager.Send.
func (s *Session) Send(ctx context.Context, msg store.Message) (store.Position, error) {
	return s.SendTo(ctx, "", msg)
}

// SendTo appends a message for one reader, and returns its position; store.ErrNotFound if
// the session knows none of that name. The others pass over it. An empty name is every
// reader. A reader without a link gets it if it comes back within the retention. If not,
// or if it says goodbye before that, OnGap tells, or OnEnd has the message.
func (s *Session) SendTo(ctx context.Context, reader string, msg store.Message) (store.Position, error) {
	if err := s.m.check(&msg); err != nil {
		return store.Position{}, err
	}
	at, err := s.log.Append(ctx, &msg, reader)
	if over(err) {
		err = store.ErrNotFound // whatever became of it
	}
	return at, err
}

// about names a reader of the session in the log.
func (s *Session) about(r ReaderInfo) []any {
	return []any{"session", s.id, "reader", r.Reader, "transport", r.Transport}
}

// Broadcast is the Manager's, for callbacks that have only the Session at hand.
func (s *Session) Broadcast(ctx context.Context, msg store.Message) (Sent, error) {
	return s.m.Broadcast(ctx, msg)
}

// all yields the links that live here, the newest first. One that is removed meanwhile may come all the same.
func (s *Session) all() iter.Seq[*Link] {
	return func(yield func(*Link) bool) {
		for l := s.links.Load(); l != nil && yield(l); l = l.next.Load() {
		}
	}
}

// markEnded notes that the log is over, so that nobody finds the session here. It must
// be: one that lives on would lose its parked links. Where a store that failed has ended
// it all the same, the next step says so. Who takes from a link finds out why it ended;
// nobody does so from a parked one. A nil Session has nothing to note.
func (s *Session) markEnded() {
	if s == nil {
		return
	}
	s.dead.Store(true)
	for l := range s.all() {
		if l.parked.Load() {
			l.Close()
		}
	}
}

// watchLog lets the session be woken by its log.
func (s *Session) watchLog() { s.watch.Do(func() { s.stop = s.log.Watch(s.wake) }) }

func (s *Session) wake() {
	for l := range s.all() {
		l.wake()
	}
}

// add makes l one of the links. Where two carry one link, as of a poll and the one that
// goes on with it, the later turn stays, whichever was here first. Of too many that are
// parked, the one that has been for longest goes, of its own reader if there is one: the
// log has ended one.
func (s *Session) add(l *Link) {
	s.mu.Lock()
	l.next.Store(s.links.Load())
	s.links.Store(l)
	s.mu.Unlock()
	var oldest, own *Link
	parked, mine := 0, &l.Hello.Link
	for o := range s.all() {
		switch its := &o.Hello.Link; {
		case o == l:
		case its.Number == mine.Number && its.Turn > mine.Turn:
			l.finish(EndSuperseded)
		case its.Number == mine.Number && o.parked.Load(): // it waited for l: the log need not hear of it
			o.close(false)
		case its.Number == mine.Number:
			o.finish(EndSuperseded)
		case o.parked.Load():
			parked, oldest = parked+1, o
			if its.Reader == mine.Reader {
				own = o
			}
		}
	}
	switch {
	case parked < s.m.o.MaxLinks:
	case own != nil:
		own.Close()
	default:
		oldest.Close()
	}
}

// remove takes l out of the list if it is there. What l knows as the next stays, for whoever is just there.
func (s *Session) remove(l *Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := &s.links
	for o := range s.all() {
		if o == l {
			at.Store(l.next.Load())
			return
		}
		at = &o.next
	}
}
