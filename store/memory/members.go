package memory

import (
	"context"
	"slices"

	"github.com/mirage-go/mirage/store"
)

// memberships are a session's memberships in topics. A log without any has none.
type memberships struct {
	version uint64 // changes with everything that Topics returns
	asked   uint64 // counts the joins that a client is to be told of
	infos   uint64 // counts the joins with an info
	removed uint64 // counts the times that the application ended memberships
	rows    []*membership
	told    []toldTopic
	notices []linkNotice

	changed bool // with a journal: what is saved of it has changed
}

// membership is that of the session, of a reader or of a link in one topic.
type membership struct {
	store.TopicJoin
	hash  uint32
	acked store.TopicPosition // the highest that was acknowledged; of one reader's, or of any of the session's
	began uint64              // which of the session's joins made it
	asked uint64              // which of them asked for it last
	info  uint64              // which of those with an info set Info; 0 for none
	later topicPlace          // where it was joined again, in another epoch; zero if it was not
	acks  []readerAck         // of the whole session's: what each reader has acknowledged
}

// topicPlace is where a link begins to read a topic.
type topicPlace struct {
	at    store.TopicPosition
	begin store.Begin
}

// Memberships count these bytes against the budget, beside the name and the info.
const membershipCost = 232

func (r *membership) cost() int64 {
	return int64(membershipCost + len(r.Topic) + len(r.Info) + len(r.acks)*readerAckCost)
}

// covers reports whether a link reads the topic because of this membership.
func (r *membership) covers(ref store.LinkRef) bool {
	switch {
	case r.Link.Reader == "":
		return true
	case r.Link.Number == 0:
		return r.Link.Reader == ref.Reader
	}
	return r.Link.Number == ref.Number
}

// enterMember is enterLink for a step that concerns the reader or the link of ref.
func (h *memHandle) enterMember(ref store.LinkRef) error {
	if err := h.enterLink(ref); err != nil {
		return err
	}
	if ref.Reader == "" {
		return nil
	}
	r := h.reader(ref.Reader)
	if r == nil || ref.Number != 0 && r.link(ref.Number) == nil {
		return store.ErrNotFound
	}
	return nil
}

// JoinTopic implements Log.
func (h *memHandle) JoinTopic(_ context.Context, j store.TopicJoin) error {
	err := h.enterMember(j.Link)
	if err == nil {
		err = h.joinTopic(j)
	}
	h.unlock()
	if err == nil {
		h.wake()
	}
	return err
}

func (l *memLog) joinTopic(j store.TopicJoin) error {
	j.Link.Turn = 0
	if l.topics == nil {
		l.topics = &memberships{version: 1, changed: true}
	}
	ms := l.topics
	if j.Link.Number != 0 && !j.Again && j.Removals != ms.removed {
		return store.ErrRemoved
	}

	row := ms.find(j.Topic, j.Link)
	switch {
	case row == nil && j.Again:
		return store.ErrNotFound
	case row == nil && l.store.isFull():
		return store.ErrBudget
	case row == nil:
		row = &membership{TopicJoin: j, hash: store.TopicHash(j.Topic)}
		if l.crowded(row) {
			return store.ErrTopics
		}
		if !l.reserveJoin(j.Link, row.cost()) {
			return store.ErrBudget
		}
		ms.rows = append(ms.rows, row)
	case j.Info != nil && !l.reserveJoin(j.Link, int64(len(j.Info)-len(row.Info))):
		return store.ErrBudget
	}
	if j.Info != nil {
		row.Info = j.Info
		ms.infos++
		row.info = ms.infos
	}
	if !j.Again && j.At.Epoch != row.mark().Epoch { // it was a member, in another epoch
		row.later = topicPlace{j.At, j.Begin}
	}

	if row.asked == 0 || j.Link.Number != 0 {
		ms.asked++
		row.asked = ms.asked
	}
	if row.began == 0 {
		row.began = ms.asked
	}
	ms.version++
	ms.changed = true
	return nil
}

// reserveJoin is reserve for a membership.
func (l *memLog) reserveJoin(link store.LinkRef, n int64) bool {
	if link.Number != 0 {
		return l.reserveForClient(n)
	}
	return l.store.reserve(n)
}

// reserveForClient is reserve for what clients ask for. The last eighth of the budget is
// for messages.
func (l *memLog) reserveForClient(n int64) bool {
	return (n <= 0 || l.store.has(l.store.budget/8+n)) && l.store.reserve(n)
}

// find returns the membership of exactly that session, reader or link.
func (ms *memberships) find(topic string, link store.LinkRef) *membership {
	if ms == nil {
		return nil
	}
	for _, r := range ms.rows {
		if r.Topic == topic && r.Link == link {
			return r
		}
	}
	return nil
}

// crowded reports whether a link would read more topics than the new membership allows.
func (l *memLog) crowded(row *membership) bool {
	if row.Link.Number != 0 {
		return l.topics.count(row.Link, row.Topic) >= row.Max
	}
	for _, r := range l.readers {
		if row.Link.Reader != "" && row.Link.Reader != r.name {
			continue
		}
		if l.topics.count(store.LinkRef{Reader: r.name}, row.Topic) >= row.Max {
			return true
		}
		for i := range r.links {
			if l.topics.count(store.LinkRef{Reader: r.name, Number: r.links[i].number}, row.Topic) >= row.Max {
				return true
			}
		}
	}
	return l.topics.count(store.LinkRef{}, row.Topic) >= row.Max
}

// count returns how many topics other than this one a link reads.
func (ms *memberships) count(ref store.LinkRef, but string) (n int) {
	for i, r := range ms.rows {
		same := func(o *membership) bool { return o.Topic == r.Topic && o.covers(ref) }
		if r.Topic != but && r.covers(ref) && !slices.ContainsFunc(ms.rows[:i], same) {
			n++
		}
	}
	return n
}

// LeaveTopic implements Log.
func (h *memHandle) LeaveTopic(_ context.Context, q store.TopicLeave) error {
	err := h.enter()
	if err == nil {
		h.leaveTopic(q)
	}
	h.unlock()
	if err == nil {
		h.wake()
	}
	return err
}

func (l *memLog) leaveTopic(q store.TopicLeave) {
	q.Link.Turn = 0
	if l.topics == nil {
		if len(q.Epochs) > 0 {
			return
		}
		l.topics = &memberships{version: 1, changed: true}
	}
	ms := l.topics
	if q.Link.Number == 0 && len(q.Epochs) == 0 {
		ms.removed++
	}

	readBefore := make(map[uint64]bool)
	l.eachLink(func(ref store.LinkRef) { readBefore[ref.Number] = ms.reads(ref, q.Topic) })
	l.dropMemberships(func(r *membership) bool {
		switch {
		case r.Topic != q.Topic || !ends(q.Link, r.Link):
			return false
		case len(q.Epochs) == 0:
			return true
		case !slices.Contains(q.Epochs, r.mark().Epoch):
			return false
		case r.later.at.Epoch != 0 && !slices.Contains(q.Epochs, r.later.at.Epoch):
			ms.asked++
			r.At, r.Begin, r.acked = r.later.at, r.later.begin, store.TopicPosition{}
			r.began, r.asked, r.later = ms.asked, ms.asked, topicPlace{}
			l.dropAllAcks(r)
			return false
		}
		return true
	})
	l.eachLink(func(ref store.LinkRef) {
		left := readBefore[ref.Number] && !ms.reads(ref, q.Topic)
		if left {
			l.forgetTold(func(t *toldTopic) bool { return t.link == ref.Number && t.topic == q.Topic })
		}
		if (left || ref == q.Link) && q.Notice.Status != 0 {
			l.addNotice(linkNotice{ref.Number, q.Notice})
		}
	})
	ms.version++
	ms.changed = true
}

// Removals implements Log.
func (h *memHandle) Removals(context.Context) (uint64, error) {
	l, err := h.memLog, h.enter()
	defer l.unlock()
	if err != nil || l.topics == nil {
		return 0, err
	}
	return l.topics.removed, nil
}

// ends reports whether the memberships of link end with that of whom.
func ends(whom, link store.LinkRef) bool {
	switch {
	case whom.Reader == "":
		return true
	case whom.Number == 0:
		return link.Reader == whom.Reader
	}
	return link == whom
}

// eachLink calls f with every link of the session.
func (l *memLog) eachLink(f func(store.LinkRef)) {
	for _, r := range l.readers {
		for i := range r.links {
			f(store.LinkRef{Reader: r.name, Number: r.links[i].number})
		}
	}
}

// reads reports whether a link reads the topic.
func (ms *memberships) reads(ref store.LinkRef, topic string) bool {
	return slices.ContainsFunc(ms.rows, func(r *membership) bool { return r.Topic == topic && r.covers(ref) })
}

// dropMemberships removes the memberships for which is returns true.
func (l *memLog) dropMemberships(is func(*membership) bool) {
	if l.topics == nil {
		return
	}
	ms := l.topics
	ms.rows = slices.DeleteFunc(ms.rows, func(r *membership) bool {
		if !is(r) {
			return false
		}
		l.store.used.Add(-r.cost())
		ms.changed = true
		return true
	})
}

// dropTopics removes all that concerns topics: the session has ended.
func (l *memLog) dropTopics() {
	if l.topics == nil {
		return
	}
	l.dropMemberships(func(*membership) bool { return true })
	l.forgetTold(func(*toldTopic) bool { return true })
	l.dropNotices(func(*linkNotice) bool { return true })
	l.topics = nil
}

// linkGone removes the memberships of a link that has ended, and what it was told.
func (l *memLog) linkGone(number uint64) {
	if l.topics == nil {
		return
	}
	l.dropMemberships(func(r *membership) bool { return r.Link.Number == number })
	l.forgetTold(func(t *toldTopic) bool { return t.link == number })
	l.dropNotices(func(n *linkNotice) bool { return n.link == number })
}

// readerGone removes the memberships of a reader that is forgotten.
func (l *memLog) readerGone(r *memReader) {
	for i := range r.links {
		l.linkGone(r.links[i].number)
	}
	l.dropMemberships(func(m *membership) bool { return m.Link.Reader == r.name })
	if l.topics != nil {
		for _, m := range l.topics.rows {
			l.dropAcks(m, r.name)
		}
	}
}
