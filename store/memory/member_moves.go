package memory

import "github.com/mirage-go/mirage/store"

// sessionMemberships returns those of the whole session, for one that it is joined to.
func (l *memLog) sessionMemberships() (whole []membership) {
	if l.topics == nil {
		return nil
	}
	for _, r := range l.topics.rows {
		if r.Link.Reader == "" {
			whole = append(whole, *r)
		}
	}
	return whole
}

// unite adds the memberships of a session that was joined to this one. If both are in a
// topic, the place that is further back stays.
func (l *memLog) unite(others []membership) {
	for i := range others {
		o := &others[i]
		mine := l.topics.find(o.Topic, store.LinkRef{})
		behind := mine == nil || o.isBehind(mine)
		j := o.TopicJoin
		j.At, j.Begin = o.place().at, o.place().begin
		if err := l.joinTopic(j); err != nil {
			continue // as far as there is room
		}
		if behind {
			mine = l.topics.find(o.Topic, store.LinkRef{})
			mine.At, mine.Begin, mine.acked, mine.later = o.At, o.Begin, o.acked, o.later
		}
	}
}

// place returns where a link begins that presents no position.
func (r *membership) place() topicPlace {
	if r.acked.Epoch != 0 {
		return topicPlace{r.acked, store.BeginAfter}
	}
	return topicPlace{r.At, r.Begin}
}

// isBehind reports whether a link begins further back because of this membership than
// because of the other one.
func (r *membership) isBehind(o *membership) bool {
	p, q := r.place(), o.place()
	switch {
	case q.begin == store.BeginStart:
		return false
	case p.begin == store.BeginStart:
		return true
	case p.at.Epoch != q.at.Epoch: // one of them has ended
		return false
	case p.at.Seq != q.at.Seq:
		return p.at.Seq < q.at.Seq
	}
	return p.begin == store.BeginNow && q.begin == store.BeginAfter // what grows comes whole
}

// mark returns the position up to which the session has everything of the topic.
func (r *membership) mark() store.TopicPosition { return r.place().at }
