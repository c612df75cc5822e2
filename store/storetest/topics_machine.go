package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mirage-go/mirage/internal/topicmodel"
	"github.com/mirage-go/mirage/store"
)

// topicModel drives topics, the memberships of sessions in them, and models of both with
// the same commands. What links read is put together as a browser does.
func (s suite) topicModel(t *testing.T) {
	if !s.bubble {
		t.Parallel()
	}
	rounds := 1 // each of a hundred runs, unless -rapid.checks sets another number
	if s.bubble {
		rounds = 10
	}

	check := func(rt *rapid.T) {
		run := func(rt *rapid.T) {
			m := newTopicMachine(s, t, rt)
			for range 3 {
				m.doAttach()
			}
			defer (&env{T: t, suite: s}).endAll(m.store)
			rt.Repeat(m.actions())
			m.rt = rt
			m.finish()
		}
		if s.bubble {
			rapid.SyncTest(rt, run)
		} else {
			run(rt)
		}
	}
	for range rounds {
		rapid.Check(t, check)
	}
}

// topicMachine is one run.
type topicMachine struct {
	suite
	rt       *rapid.T
	store    store.TopicStore
	topics   []*modelTopic
	sessions map[string]*memberSession // by id
	texts    int
}

// modelTopic is a topic, and its model.
type modelTopic struct {
	store.Topic
	bounds            store.TopicBounds
	epoch, endedEpoch uint32
	log, ended        *topicmodel.Log // nil if there is none
	old               []store.TopicPosition
}

// memberSession is a session, and its readers.
type memberSession struct {
	store.Log
	id string
	modelMembers
}

// page is a reader: what it has of the topics, and its links. Only the last one reads.
type page struct {
	s     *memberSession
	name  string
	has   map[string]*pageTopic
	links []*pageLink
}

// pageTopic is what a page has put together of a topic in one epoch.
type pageTopic struct {
	epoch  uint32
	client *topicmodel.Client
}

// pageLink is a link of a page.
type pageLink struct {
	p       *page
	log     store.Log // by which it came
	ref     store.LinkRef
	reads   map[string]*pageCursor
	told    map[string]store.TopicTold
	asked   map[string]uint64 // TopicJoined.Asked, and which join of the model that was
	joined  map[string]int
	notices []store.TopicNotice
	version uint64 // of the last Topics, and the model's then
	seen    int
}

// pageCursor reads one topic on a link.
type pageCursor struct {
	*topicmodel.Reader
	has *pageTopic
}

// String is for the log of a failed run.
func (k *pageLink) String() string { return fmt.Sprintf("%s %v", k.p.s.id, k.ref) }

// String is for the log of a failed run.
func (t *modelTopic) String() string { return t.Name() }

func (k *pageLink) whom() store.LinkRef {
	return store.LinkRef{Reader: k.ref.Reader, Number: k.ref.Number}
}

func newTopicMachine(s suite, tb testing.TB, rt *rapid.T) *topicMachine {
	m := &topicMachine{
		suite: s, rt: rt, store: s.open(tb).(store.TopicStore), sessions: make(map[string]*memberSession),
	}
	for i, n := range []int{1, 4, 20} {
		b := topicBounds(retaining(n), aging(2*kept)) // what a piece counts is not said, so MaxBytes is wide
		b.MaxBytes, b.MaxGrown = 1<<30, 200<<10
		m.topics = append(m.topics, &modelTopic{Topic: m.store.Topic(string(rune('a'+i)), b), bounds: b})
	}
	return m
}

func (m *topicMachine) fail(format string, args ...any) {
	m.rt.Helper()
	m.rt.Fatalf(format, args...)
}

func (m *topicMachine) wants(what string, err, want error) {
	m.rt.Helper()
	if !errors.Is(err, want) || want == nil && err != nil {
		m.fail("%s: error %v, want %v", what, err, want)
	}
}

// isIn records that the topic is in an epoch. The epoch begins with the first step that
// shows it.
func (t *modelTopic) isIn(m *topicMachine, epoch uint32) {
	m.rt.Helper()
	switch {
	case t.log != nil && epoch == t.epoch:
	case t.log != nil:
		m.fail("%s is in epoch %d, and was in %d", t.Name(), epoch, t.epoch)
	case epoch == 0 || epoch == t.endedEpoch:
		m.fail("%s begins with epoch %d", t.Name(), epoch)
	default:
		t.epoch, t.log = epoch, &topicmodel.Log{Bounds: t.bounds}
	}
}

// position returns the position after the last message. The topic begins if it has not.
func (t *modelTopic) position(m *topicMachine) store.TopicPosition {
	m.rt.Helper()
	p, err := t.Position(ctx)
	m.wants("Position", err, nil)
	t.isIn(m, p.Epoch)
	if p != pos(t.Name(), t.epoch, t.log.Top) {
		m.fail("the position of %s is %v; the top is %d", t.Name(), p, t.log.Top)
	}
	return p
}

func (t *modelTopic) expire() {
	now := time.Now().UnixNano()
	if t.log != nil {
		t.log.Expire(now)
	}
	if t.ended != nil {
		t.ended.Expire(now)
	}
}

func (m *topicMachine) actions() map[string]func(*rapid.T) {
	acts := map[string]func(){
		"publish":         m.doPublish,
		"publish again":   m.doPublish,
		"publish keyed":   m.doPublishKeyed,
		"grow":            m.doGrow,
		"grow again":      m.doGrow,
		"end topic":       m.doEndTopic,
		"attach":          m.doAttach,
		"detach":          m.doDetach,
		"go on":           m.doGoOn,
		"quit":            m.doQuit,
		"join":            m.doJoin,
		"join again":      m.doJoin,
		"join once more":  m.doJoin,
		"leave":           m.doLeave,
		"refuse":          m.doRefuse,
		"read":            m.doRead,
		"read more":       m.doRead,
		"read even more":  m.doRead,
		"read all":        m.doReadAll,
		"cut":             m.doCut,
		"ack":             m.doAck,
		"told":            m.doTold,
		"leave the ended": m.doLeaveEnded,
		"move":            m.doMove,
		"end session":     m.doEndSession,
	}
	if m.bubble { // no time passes that the model does not know of
		acts["wait"] = m.doWait
	}

	all := make(map[string]func(*rapid.T))
	for name, f := range acts {
		all[name] = func(rt *rapid.T) {
			m.rt = rt
			if m.bubble {
				time.Sleep(time.Millisecond) // no two things at the same time
			}
			f()
		}
	}
	all[""] = func(rt *rapid.T) { m.rt = rt; m.checkLinks() }
	return all
}

// finish reads what there is on all links.
func (m *topicMachine) finish() {
	for _, k := range m.links() {
		if !k.isLast() {
			continue
		}
		m.refresh(k)
		for _, name := range k.topicNames() {
			m.readAll(k, name)
		}
	}
	for _, t := range m.topics { // and what is retained
		t.position(m)
		t.expire()
		r := topicmodel.NewReader(t.log, pos(t.Name(), t.epoch, 0), store.BeginStart, nil)
		for more := true; more; {
			more = m.readOnce(t, &pageCursor{r, new(pageTopic)}, 1<<20, -1)
		}
	}
}

// links returns all links of all sessions.
func (m *topicMachine) links() (all []*pageLink) {
	for _, id := range ids3 {
		if s := m.sessions[id]; s != nil {
			all = append(all, s.links()...)
		}
	}
	return all
}

// isLast reports whether it is the link that the page uses.
func (k *pageLink) isLast() bool { return k.p.links[len(k.p.links)-1] == k }

func (k *pageLink) topicNames() (names []string) {
	for name := range k.reads {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (m *topicMachine) topic() *modelTopic { return draw(m.rt, "topic", m.topics) }

func (m *topicMachine) named(name string) *modelTopic { return m.topics[int(name[0]-'a')] }

func (m *topicMachine) link() *pageLink { return draw(m.rt, "link", m.links()) }

// session returns a session, which is made if it does not exist.
func (m *topicMachine) session() *memberSession {
	id := draw(m.rt, "id", ids3[:2])
	s := m.sessions[id]
	if s == nil {
		l, _, err := m.store.Open(ctx, id, store.Asked{}, true, bounds(keptFor(1000*time.Hour)))
		m.wants("Open", err, nil)
		s = &memberSession{Log: l, id: id}
		m.sessions[id] = s
	}
	return s
}
