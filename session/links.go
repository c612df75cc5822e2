package session

import "iter"

// all yields the links on this node, the newest first. A link that is removed meanwhile
// may still be yielded.
func (s *Session) all() iter.Seq[*Link] {
	return func(yield func(*Link) bool) {
		for l := s.links.Load(); l != nil && yield(l); l = l.next.Load() {
		}
	}
}

// add adds l to the links. If two Links carry one link, as when the next poll continues
// it, the one with the later Turn stays, whichever was added first. If too many links are
// parked, the oldest ends, or the oldest of the same reader if it has one: the log has
// ended a link, too.
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
			l.finish(EndSuperseded, 0)
		case its.Number == mine.Number && o.end.state() == linkParked:
			o.close(false) // it waited for l, so nothing is detached
		case its.Number == mine.Number:
			o.finish(EndSuperseded, 0)
		case o.end.state() == linkParked:
			parked, oldest = parked+1, o
			if its.Reader == mine.Reader {
				own = o
			}
		}
	}

	switch {
	case parked < s.m.o.MaxLinks:
	case own != nil:
		own.finish(EndCrowded, CrowdedRetry)
	default:
		oldest.finish(EndCrowded, CrowdedRetry)
	}
}

// remove removes l from the list if it is there. l.next stays, for goroutines that are
// walking the list.
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

func (s *Session) wake() {
	for l := range s.all() {
		l.wake()
	}
}
