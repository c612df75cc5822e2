package storetest

import (
	"slices"

	"github.com/mirage-go/mirage/store"
)

// modelMembers are a session's memberships in topics according to the contract.
type modelMembers struct {
	rows    []*modelRow // in the order in which they were first joined
	joins   int         // counts them
	removed uint64      // counts what the application ended
	pages   []*page     // the readers that are remembered
	version int         // changes with everything that links are told
}

// modelRow is the membership of the session, of a reader or of a link in a topic.
type modelRow struct {
	topic  string
	whom   store.LinkRef
	at     modelPlace
	later  modelPlace // where it was joined again, in another epoch
	info   []byte
	told   int                 // which join the info came with
	acked  store.TopicPosition // the highest that was acknowledged
	acks   map[string]store.TopicPosition
	began  int // which join made it
	joined int // which join of its client was the last one
	max    int
}

// modelPlace is where a link begins to read.
type modelPlace struct {
	at    store.TopicPosition
	begin store.Begin
}

// covers reports whether a link of that reader reads the topic because of this.
func (r *modelRow) covers(ref store.LinkRef) bool {
	return r.whom.Reader == "" || r.whom.Number == 0 && r.whom.Reader == ref.Reader ||
		ref.Number != 0 && r.whom.Number == ref.Number
}

// place returns where a link begins that presents no position.
func (r *modelRow) place() modelPlace {
	if r.acked.Epoch != 0 {
		return modelPlace{r.acked, store.BeginAfter}
	}
	return r.at
}

// epoch returns that of the membership.
func (r *modelRow) epoch() uint32 { return r.place().at.Epoch }

func (m *modelMembers) find(topic string, whom store.LinkRef) *modelRow {
	for _, r := range m.rows {
		if r.topic == topic && r.whom == whom {
			return r
		}
	}
	return nil
}

// covering returns the memberships because of which a link reads a topic.
func (m *modelMembers) covering(ref store.LinkRef, topic string) (rows []*modelRow) {
	for _, r := range m.rows {
		if r.topic == topic && r.covers(ref) {
			rows = append(rows, r)
		}
	}
	return rows
}

// topics returns what a link reads, in order.
func (m *modelMembers) topics(ref store.LinkRef) (names []string) {
	for _, r := range m.rows {
		if r.covers(ref) && !slices.Contains(names, r.topic) {
			names = append(names, r.topic)
		}
	}
	return names
}

// refs returns every link that there is or may come: of each reader, and of the next one.
func (m *modelMembers) refs() []store.LinkRef {
	refs := []store.LinkRef{{}}
	for _, p := range m.pages {
		refs = append(refs, store.LinkRef{Reader: p.name})
		for _, k := range p.links {
			refs = append(refs, k.whom())
		}
	}
	return refs
}

// crowded reports whether a link would read more than max topics.
func (m *modelMembers) crowded(j store.TopicJoin) bool {
	row := &modelRow{topic: j.Topic, whom: j.Link}
	for _, ref := range m.refs() {
		names := m.topics(ref)
		if !slices.Contains(names, j.Topic) {
			names = append(names, j.Topic)
		}
		if row.covers(ref) && len(names) > j.Max {
			return true
		}
	}
	return false
}

// join returns the error of JoinTopic, and does what it does.
func (m *modelMembers) join(j store.TopicJoin) error {
	row := m.find(j.Topic, j.Link)
	place := modelPlace{j.At, j.Begin}
	switch {
	case j.Link.Number != 0 && !j.Again && j.Removals != m.removed:
		return store.ErrRemoved
	case row == nil && j.Again:
		return store.ErrNotFound
	case row == nil && m.crowded(j):
		return store.ErrTopics
	case row == nil:
		row = &modelRow{topic: j.Topic, whom: j.Link, at: place, max: j.Max}
		row.acks = make(map[string]store.TopicPosition)
		m.rows = append(m.rows, row)
	case !j.Again && j.At.Epoch != row.epoch():
		row.later = place
	}
	m.joins++
	if j.Info != nil {
		row.info, row.told = j.Info, m.joins
	}
	if row.joined == 0 || j.Link.Number != 0 {
		row.joined = m.joins
	}
	if row.began == 0 {
		row.began = m.joins
	}
	m.version++
	return nil
}

// leave does what LeaveTopic does.
func (m *modelMembers) leave(q store.TopicLeave) {
	before := make(map[*pageLink]bool)
	for _, k := range m.links() {
		before[k] = len(m.covering(k.whom(), q.Topic)) > 0
	}

	if q.Link.Number == 0 && len(q.Epochs) == 0 {
		m.removed++
	}
	changed := false
	m.rows = slices.DeleteFunc(m.rows, func(r *modelRow) bool {
		ends := q.Link.Reader == "" || q.Link.Number == 0 && q.Link.Reader == r.whom.Reader || r.whom == q.Link
		switch {
		case r.topic != q.Topic || !ends:
			return false
		case len(q.Epochs) == 0:
			changed = true
			return true
		case !slices.Contains(q.Epochs, r.epoch()):
			return false
		}
		changed = true
		if r.later.at.Epoch == 0 || slices.Contains(q.Epochs, r.later.at.Epoch) {
			return true
		}
		m.joins++ // it goes on in the later epoch
		r.at, r.later, r.began, r.joined = r.later, modelPlace{}, m.joins, m.joins
		r.acked, r.acks = store.TopicPosition{}, make(map[string]store.TopicPosition)
		return false
	})

	for _, k := range m.links() {
		left := before[k] && len(m.covering(k.whom(), q.Topic)) == 0
		if left {
			delete(k.told, q.Topic)
		}
		if q.Notice.Status != 0 && (left || k.whom() == q.Link) {
			k.notices = append(k.notices, q.Notice)
			changed = true
		}
	}
	if changed {
		m.version++
	}
}

// links returns all links.
func (m *modelMembers) links() (all []*pageLink) {
	for _, p := range m.pages {
		all = append(all, p.links...)
	}
	return all
}

// drop removes the memberships for which is returns true.
func (m *modelMembers) drop(is func(*modelRow) bool) { m.rows = slices.DeleteFunc(m.rows, is) }

// ack does what AckTopics does for one position.
func (m *modelMembers) ack(ref store.LinkRef, topic string, p store.TopicPosition) {
	further := func(at store.TopicPosition) store.TopicPosition {
		if p.Epoch != at.Epoch || p.Seq > at.Seq {
			return p
		}
		return at
	}
	for _, r := range m.covering(ref, topic) {
		r.acked = further(r.acked)
		r.acks[ref.Reader] = further(r.acks[ref.Reader])
	}
}

// unite adds the memberships of a session that was joined to this one.
func (m *modelMembers) unite(o *modelMembers) {
	for _, r := range o.rows {
		if r.whom.Reader != "" {
			continue
		}
		mine := m.find(r.topic, everybody)
		isNew := mine == nil
		p := r.place()
		err := m.join(store.TopicJoin{Topic: r.topic, At: p.at, Begin: p.begin, Info: r.info, Max: r.max})
		if err != nil {
			continue
		}
		mine = m.find(r.topic, everybody)
		if isNew || furtherBack(r.place(), mine.place()) {
			mine.at, mine.acked, mine.later = r.at, r.acked, r.later
		}
	}
}

// furtherBack reports whether a link that begins at p gets more than one that begins at
// q.
func furtherBack(p, q modelPlace) bool {
	switch {
	case p.begin == store.BeginStart || q.begin == store.BeginStart:
		return p.begin == store.BeginStart && q.begin != store.BeginStart
	case p.at.Seq != q.at.Seq:
		return p.at.Seq < q.at.Seq
	}
	return p.begin == store.BeginNow && q.begin == store.BeginAfter
}
