package session

import "iter"

// all yields the links that live here, the newest first. One that is removed meanwhile
// may come all the same.
func (s *Session) all() iter.Seq[*Link] {
	return func(yield func(*Link) bool) {
		for l := s.links.Load(); l != nil && yield(l); l = l.next.Load() {
		}
	}
}

// add makes l one of the links. Where two carry one link, as of a poll and the one that
// goes on with it, the later one stays, whichever was here first. Of too many that are
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
			l.finish(EndSuperseded, 0)
		case its.Number == mine.Number && o.end.state() == linkParked:
			o.close(false) // it waited for l: the log need not hear of it
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

// remove takes l out of the list if it is there. What l knows as the next stays, for
// whoever walks the list just now.
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
