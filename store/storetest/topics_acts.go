package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/mirage-go/mirage/store"
)

// The commands of a topicMachine.

func (m *topicMachine) text(max int) []byte {
	m.texts++
	s := fmt.Sprint(m.texts, strings.Repeat("aé€😀", 10))
	return []byte(strings.ToValidUTF8(s[:rapid.IntRange(0, max).Draw(m.rt, "length")], ""))
}

func (m *topicMachine) publish(t *modelTopic, p store.Publication) {
	if m.bubble {
		p.Message.TTL = rapid.SampledFrom([]time.Duration{0, 0, 0, kept / 4, 1<<63 - 1}).Draw(m.rt, "ttl")
	}
	at, err := t.Publish(ctx, p)
	switch {
	case err == nil:
		t.isIn(m, at.Epoch)
	case t.log == nil:
		t.position(m) // now it has begun in any case
	}
	t.expire()
	want := t.log.Publish(p, time.Now().UnixNano(), 1<<62)
	m.wants(fmt.Sprintf("Publish(%+v)", p), err, want)
	if err == nil && at != pos(t.Name(), t.epoch, t.log.Top) {
		m.fail("Publish returned %v; the top is %d in epoch %d", at, t.log.Top, t.epoch)
	}
}

func (m *topicMachine) doPublish() {
	m.publish(m.topic(), store.Publication{Message: &store.Message{Data: m.text(20)}})
}

func (m *topicMachine) keyed(data []byte) *store.Message {
	return &store.Message{Key: draw(m.rt, "key", []string{"k", "l"}), Data: data}
}

func (m *topicMachine) doPublishKeyed() {
	m.publish(m.topic(), store.Publication{Message: m.keyed(m.text(20))})
}

func (m *topicMachine) doGrow() {
	data := m.text(12)
	if rapid.IntRange(0, 7).Draw(m.rt, "much") == 0 {
		data = []byte(strings.Repeat("é€", 10<<10))
	}
	m.publish(m.topic(), store.Publication{
		Message: m.keyed(data), Grows: true,
		Continues: rapid.Bool().Draw(m.rt, "continues"),
		Done:      rapid.IntRange(0, 4).Draw(m.rt, "done") == 0,
	})
}

func (m *topicMachine) doEndTopic() {
	t := m.topic()
	err := t.End(ctx)
	if t.log == nil {
		if err == nil {
			m.fail("%s ended, and had not begun", t.Name())
		}
		return
	}
	m.wants("End", err, nil)
	t.old = append(t.old, pos(t.Name(), t.epoch, t.log.Top))
	t.ended, t.endedEpoch, t.log, t.epoch = t.log, t.epoch, nil, 0
}

func (m *topicMachine) doWait() {
	for range rapid.IntRange(1, 4).Draw(m.rt, "times") {
		time.Sleep(rapid.SampledFrom([]time.Duration{time.Second, kept / 8, kept / 2}).Draw(m.rt, "wait"))
		for _, t := range m.topics {
			t.position(m) // so that it is not forgotten
		}
	}
	_, err := m.store.Expired(ctx, 100)
	m.wants("Expired", err, nil)
}

func (m *topicMachine) doAttach() {
	s := m.session()
	name := draw(m.rt, "reader", []string{"r", "q"})
	a, err := s.Attach(ctx, store.Claim{Reader: name})
	m.wants("Attach", err, nil)
	i := slices.IndexFunc(s.pages, func(p *page) bool { return p.name == name })
	if i < 0 {
		i = len(s.pages)
		s.pages = append(s.pages, &page{s: s, name: name, has: make(map[string]*pageTopic)})
	}
	p := s.pages[i]
	for _, older := range p.links {
		clear(older.reads)
	}
	if rapid.Bool().Draw(m.rt, "another tab") { // it has nothing yet
		clear(p.has)
	}
	p.links = append(p.links, &pageLink{
		p: p, log: s.Log, ref: a.Link, reads: make(map[string]*pageCursor), told: make(map[string]store.TopicTold),
		asked: make(map[string]uint64), joined: make(map[string]int),
	})
}

func (m *topicMachine) doDetach() { m.detach(m.link()) }

func (m *topicMachine) detach(k *pageLink) {
	_, err := k.log.Detach(ctx, k.ref)
	m.wants("Detach", err, nil)
	k.p.links = slices.DeleteFunc(k.p.links, func(o *pageLink) bool { return o == k })
	k.p.s.drop(func(r *modelRow) bool { return r.whom.Number == k.ref.Number })
}

// doGoOn lets the next poll carry a link: it reads on from what its client has.
func (m *topicMachine) doGoOn() {
	k := m.link()
	a, err := k.log.Attach(ctx, store.Claim{Reader: k.ref.Reader, Link: k.ref.Number})
	if !k.isLast() && err != nil { // the client used a newer one
		m.wants("Attach", err, store.ErrSuperseded)
		return
	}
	m.wants("Attach", err, nil)
	for _, older := range slices.Clone(k.p.links) { // the client uses this one now
		if older.ref.Number < k.ref.Number {
			m.detach(older)
		}
	}
	old := k.ref
	k.ref = a.Link
	clear(k.reads)
	of, err := k.log.Topics(ctx, old)
	m.wants("Topics of an older turn", err, nil)
	if len(of.Joined) > 0 || len(of.Notices) > 0 {
		m.fail("an older turn gets %+v", of)
	}
}

func (m *topicMachine) doQuit() {
	m.seldom()
	k := m.link()
	s := k.p.s
	_, ended, err := s.Quit(ctx, k.ref)
	m.wants("Quit", err, nil)
	s.pages = slices.DeleteFunc(s.pages, func(p *page) bool { return p == k.p })
	s.drop(func(r *modelRow) bool {
		delete(r.acks, k.ref.Reader)
		return r.whom.Reader == k.ref.Reader
	})
	if over := len(s.pages) == 0; over != (ended != nil) {
		m.fail("the session has ended is %v, and it has %d readers", ended != nil, len(s.pages))
	} else if over {
		delete(m.sessions, s.id)
	}
}

// seldom skips a command most times.
func (m *topicMachine) seldom() {
	if rapid.IntRange(0, 3).Draw(m.rt, "seldom") > 0 {
		m.rt.SkipNow()
	}
}

// whom chooses who joins or leaves.
func (m *topicMachine) whom(s *memberSession) store.LinkRef {
	if rapid.Bool().Draw(m.rt, "the session") {
		return everybody
	}
	return draw(m.rt, "whom", s.refs())
}

// place chooses where to begin.
func (m *topicMachine) place(t *modelTopic) modelPlace {
	at := t.position(m)
	switch rapid.IntRange(0, 5).Draw(m.rt, "place") {
	case 0, 1:
		return modelPlace{at, store.BeginNow}
	case 2:
		return modelPlace{at, store.BeginStart}
	case 3:
		return modelPlace{draw(m.rt, "old", append(t.old, at)), store.BeginAfter}
	}
	at.Seq = rapid.Uint64Range(0, at.Seq).Draw(m.rt, "seq")
	return modelPlace{at, store.BeginAfter}
}

func (m *topicMachine) doJoin() {
	s := m.session()
	t := m.topic()
	j := store.TopicJoin{Topic: t.Name(), Link: m.whom(s), Max: rapid.IntRange(1, 3).Draw(m.rt, "max")}
	if j.Again = rapid.IntRange(0, 3).Draw(m.rt, "again") == 0; !j.Again {
		p := m.place(t)
		j.At, j.Begin = p.at, p.begin
		j.Removals = s.removed
		if j.Removals > 0 && rapid.IntRange(0, 9).Draw(m.rt, "removed since") == 0 {
			j.Removals--
		}
	}
	if rapid.Bool().Draw(m.rt, "info") {
		m.texts++
		j.Info = fmt.Append(nil, m.texts)
	}
	m.wants(fmt.Sprintf("JoinTopic(%+v)", j), s.JoinTopic(ctx, j), s.join(j))
}

func notice(status int, topic string) store.TopicNotice {
	reason := fmt.Sprint("because of ", status)
	return store.TopicNotice{Topic: topic, Status: status, Reason: reason, Retry: int64(status)}
}

func (m *topicMachine) leaves(s *memberSession, q store.TopicLeave) {
	m.wants(fmt.Sprintf("LeaveTopic(%+v)", q), s.LeaveTopic(ctx, q), nil)
	s.leave(q)
}

func (m *topicMachine) doLeave() {
	s := m.session()
	q := store.TopicLeave{Topic: m.topic().Name(), Link: m.whom(s)}
	if rapid.Bool().Draw(m.rt, "told") {
		q.Notice = notice(403, q.Topic)
	}
	m.leaves(s, q)
}

// doRefuse refuses a join of a link.
func (m *topicMachine) doRefuse() {
	k := m.link()
	name := m.topic().Name()
	m.leaves(k.p.s, store.TopicLeave{Topic: name, Link: k.whom(), Notice: notice(429, name)})
}

func (m *topicMachine) doTold() {
	k, name := m.reading()
	told := store.TopicTold{Asked: k.asked[name], At: k.reads[name].Cursor.At, Members: uint64(m.texts)}
	m.wants("TopicTold", k.log.TopicTold(ctx, k.ref, name, told), nil)
	k.told[name] = told
}

func (m *topicMachine) doAck() {
	k := m.link()
	var all []store.TopicPosition
	for _, t := range m.topics {
		has := k.p.has[t.Name()]
		if has == nil || !has.client.Reached || rapid.Bool().Draw(m.rt, "not this one") {
			continue
		}
		seq := has.client.At
		if rapid.Bool().Draw(m.rt, "less") {
			seq = rapid.Uint64Range(0, seq).Draw(m.rt, "seq")
		}
		p := pos(t.Name(), has.epoch, seq)
		all = append(all, p)
		k.p.s.ack(k.whom(), t.Name(), p)
	}
	m.wants("AckTopics", k.log.AckTopics(ctx, k.ref, all), nil)
}

// doMove moves a session to an id that may have one.
func (m *topicMachine) doMove() {
	s := m.session()
	to := ids3[0]
	if to == s.id {
		to = ids3[1]
	}
	target := m.sessions[to]
	if target != nil {
		for _, r := range s.rows { // which of two epochs is the later one is not known
			if o := target.find(r.topic, everybody); o != nil && o.epoch() != r.epoch() {
				m.rt.SkipNow()
			}
		}
	}
	_, err := m.store.Move(ctx, s.id, to, store.Moving{Settle: store.Settle})
	m.wants("Move", err, nil)
	delete(m.sessions, s.id)
	if target != nil {
		target.unite(&s.modelMembers)
		return
	}

	l, _, err := m.store.Open(ctx, to, store.Asked{}, false, bounds())
	m.wants("Open", err, nil)
	for _, k := range s.links() {
		for name, err := range memberSteps(s.Log, k.ref) {
			m.wants(name+" by an old handle", err, store.ErrMoved)
		}
		m.detach(k)
	}
	s.Log, s.id = l, to
	m.sessions[to] = s
}

func (m *topicMachine) doEndSession() {
	m.seldom()
	s := m.session()
	_, err := m.store.End(ctx, s.id, 0)
	m.wants("End", err, nil)
	delete(m.sessions, s.id)
}
