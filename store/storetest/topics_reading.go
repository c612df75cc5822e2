package storetest

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/mirage-go/mirage/internal/topicmodel"
	"github.com/mirage-go/mirage/store"
)

// What the links of a topicMachine read.

// checkLinks checks that links learn of changed memberships.
func (m *topicMachine) checkLinks() {
	for _, k := range m.links() {
		if !k.isLast() {
			continue
		}
		_, tail, err := k.log.Read(ctx, k.ref, 0, 1, nil)
		m.wants("Read", err, nil)
		if tail.Topics == k.version && k.seen != k.p.s.version {
			m.fail("memberships have changed, and the version is still %d", tail.Topics)
		}
	}
}

// refresh brings what the link reads up to date, and compares it with the model.
func (m *topicMachine) refresh(k *pageLink) {
	m.rt.Helper()
	s := k.p.s
	of, err := k.log.Topics(ctx, k.ref)
	m.wants("Topics", err, nil)
	if !slices.Equal(of.Notices, k.notices) {
		m.fail("the link is told %+v, not %+v", of.Notices, k.notices)
	}
	k.notices, k.version, k.seen = nil, of.Version, s.version

	var names []string
	for i := range of.Joined {
		j := &of.Joined[i]
		names = append(names, j.Topic)
		m.compare(k, j)
	}
	if want := s.topics(k.whom()); !slices.Equal(names, want) {
		m.fail("the link reads %v, not %v", names, want)
	}
	for _, name := range k.topicNames() {
		if !slices.Contains(names, name) {
			delete(k.reads, name)
		}
	}
}

// compare compares one topic of a link with the model, and begins to read it if the link
// does not yet.
func (m *topicMachine) compare(k *pageLink, j *store.TopicJoined) {
	m.rt.Helper()
	rows := k.p.s.covering(k.whom(), j.Topic)
	place, acked, whole, joined, began := false, false, false, 0, 1<<62
	var info *modelRow
	for _, r := range rows { // several are one, and it is not said whose place counts
		p := r.place()
		if r.whom.Number != 0 {
			p = r.at
		}
		place = place || p == modelPlace{j.At, j.Begin}
		acked = acked || j.Acked == r.acks[k.ref.Reader]
		whole = whole || r.whom.Reader == ""
		joined, began = max(joined, r.joined), min(began, r.began)
		if r.info != nil && (info == nil || r.told > info.told) {
			info = r
		}
	}
	switch {
	case len(rows) == 0:
		m.fail("the link reads %s, which it has not joined", j.Topic)
	case !place:
		m.fail("the link begins %s at %v (%d); the first membership is %+v", j.Topic, j.At, j.Begin, rows[0])
	case !acked:
		m.fail("%s has acknowledged %v of %s; the first membership is %+v", k.ref.Reader, j.Acked, j.Topic, rows[0])
	case j.Whole != whole:
		m.fail("that the session is a member of %s is %v", j.Topic, j.Whole)
	case info == nil && j.Info != nil, info != nil && string(j.Info) != string(info.info):
		m.fail("the info in %s is %s; %+v", j.Topic, j.Info, info)
	case j.Told != k.told[j.Topic]:
		m.fail("the link was told %+v of %s, not %+v", j.Told, j.Topic, k.told[j.Topic])
	case joined > k.joined[j.Topic] && j.Asked <= k.asked[j.Topic],
		joined == k.joined[j.Topic] && j.Asked != k.asked[j.Topic]:
		m.fail("%s was asked for by %d after %d", j.Topic, j.Asked, k.asked[j.Topic])
	case j.Began == 0, j.Began > j.Asked, (j.Began > k.asked[j.Topic]) != (began > k.joined[j.Topic]):
		m.fail("the membership in %s began with %d, after %d", j.Topic, j.Began, k.asked[j.Topic])
	}
	k.asked[j.Topic], k.joined[j.Topic] = j.Asked, joined
	if k.reads[j.Topic] == nil {
		k.reads[j.Topic] = m.cursor(k, j)
	}
}

// cursor returns where the link begins to read: at what its page has, or as the
// membership says.
func (m *topicMachine) cursor(k *pageLink, j *store.TopicJoined) *pageCursor {
	at, begin := j.At, j.Begin
	has := k.p.has[j.Topic]
	if has == nil || !has.client.Reached {
		has = &pageTopic{epoch: at.Epoch}
		k.p.has[j.Topic] = has
	} else {
		at, begin = pos(j.Topic, has.epoch, has.client.At), store.BeginAfter
	}

	t := m.named(j.Topic)
	log := t.log
	if at.Epoch == t.endedEpoch {
		log = t.ended
	}
	if log == nil || at.Epoch != t.endedEpoch && at.Epoch != t.epoch { // it will be told that it is lost
		log = new(topicmodel.Log)
	}
	r := topicmodel.NewReader(log, at, begin, has.client)
	has.client = r.Client
	return &pageCursor{r, has}
}

// readOnce reads once. The client gets the first so many entries, or all if got is
// negative. It reports whether there is more.
func (m *topicMachine) readOnce(t *modelTopic, c *pageCursor, room, got int) (more bool) {
	m.rt.Helper()
	t.expire()
	before := c.Cursor.At
	inEnded := t.ended != nil && before.Epoch == t.endedEpoch
	c.Begin()
	entries, tail, err := t.Read(ctx, &c.Cursor, room, nil)
	m.wants("Read", err, nil)
	if got < 0 || got > len(entries) {
		got = len(entries)
	}

	rest, all := entries, got == len(entries)
	switch {
	case inEnded != tail.Ended:
		m.fail("a cursor at %v of %s: the epoch has ended is %v", before, t.Name(), tail.Ended)
	case inEnded:
	default:
		t.isIn(m, c.Cursor.At.Epoch)
		if before.Epoch == t.epoch {
			break
		}
		lost := store.TopicEntry{
			Epoch: t.epoch, Lost: store.Lost{From: before.Seq + 1}, Reason: store.MissingRestarted,
		}
		if len(entries) == 0 || entries[0] != lost {
			m.fail("a cursor at %v of %s, which is in epoch %d: %+v", before, t.Name(), t.epoch, entries)
		}
		cursor := c.Cursor
		c.Reader = topicmodel.NewReader(t.log, pos(t.Name(), t.epoch, 0), store.BeginStart, nil)
		c.Cursor = cursor
		c.Begin()
		rest = rest[1:]
		if got--; got >= 0 {
			c.has.epoch, c.has.client = t.epoch, c.Client
		}
	}

	c.Batch(m.rt, rest, tail.More, room)
	for i := range rest[:max(got, 0)] {
		c.Get(m.rt, &rest[i])
	}
	if all {
		c.Given(m.rt)
		if !tail.More {
			c.End(m.rt)
		}
	}
	return tail.More
}

func (m *topicMachine) room() int {
	return rapid.SampledFrom([]int{1, 200, 500, 70 << 10, 1 << 30}).Draw(m.rt, "room")
}

// reading returns a link and a topic that it reads.
func (m *topicMachine) reading() (*pageLink, string) {
	k := m.link()
	if !k.isLast() {
		m.rt.SkipNow()
	}
	m.refresh(k)
	return k, draw(m.rt, "topic", k.topicNames())
}

func (m *topicMachine) doRead() {
	k, name := m.reading()
	m.readOnce(m.named(name), k.reads[name], m.room(), -1)
}

func (m *topicMachine) doReadAll() {
	k, name := m.reading()
	m.readAll(k, name)
}

func (m *topicMachine) readAll(k *pageLink, name string) {
	for m.readOnce(m.named(name), k.reads[name], 1<<20, -1) {
	}
	if c := k.reads[name]; rapid.Bool().Draw(m.rt, "joined") {
		c.Client.Reach(m.rt, c.Cursor.At.Seq)
	}
}

// doCut ends a link in the middle of what it reads. The page goes on with another one.
func (m *topicMachine) doCut() {
	k, name := m.reading()
	m.readOnce(m.named(name), k.reads[name], m.room(), rapid.IntRange(0, 3).Draw(m.rt, "got"))
	m.detach(k)
}

// doLeaveEnded ends the memberships in an epoch that has ended, as a link does that has
// read the rest of it.
func (m *topicMachine) doLeaveEnded() {
	k, name := m.reading()
	t := m.named(name)
	epoch := k.reads[name].Cursor.At.Epoch
	if epoch != t.endedEpoch {
		m.rt.SkipNow()
	}
	q := store.TopicLeave{Topic: name, Epochs: []uint32{epoch}, Notice: notice(410, name)}
	m.leaves(k.p.s, q)
	delete(k.reads, name)
	delete(k.p.has, name)
}
