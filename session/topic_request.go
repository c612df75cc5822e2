package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/mirage-go/mirage/store"
)

// A TopicRequest is a client's wish to read a topic, or not to read it any more, as it
// came.
type TopicRequest struct {
	Topic string
	Leave bool            // the client leaves the topic; the fields that follow do not count
	From  string          // "now" or "", "start", or the text of a store.TopicPosition
	Info  json.RawMessage // for presence; nil for none
}

// maxJoining is how many joins of one session wait or run at once, and maxJoiningAll how
// many of all sessions.
const (
	maxJoining    = 512
	maxJoiningAll = 16 << 10
)

// joining runs the joins and leaves of the session's clients: those of one link and topic
// one at a time and in order, all others at the same time.
type joining struct {
	mu     sync.Mutex
	queues map[joinKey][]func() // has a key while one of its joins waits or runs
	n      int                  // how many there are in all queues
}

type joinKey struct {
	link  uint64
	topic string
}

// addJoining runs f after those before it, on a goroutine that Shutdown waits for. It
// reports false if there are too many. The session stays registered until f has returned.
func (s *Session) addJoining(k joinKey, f func()) bool {
	j := &s.joining
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.n >= maxJoining || s.m.joining.Load() >= maxJoiningAll {
		return false
	}
	if j.queues == nil {
		j.queues = make(map[joinKey][]func())
	}
	j.n++
	s.m.joining.Add(1)
	queue, running := j.queues[k]
	j.queues[k] = append(queue, f)
	if !running {
		s.m.local.hold(s)
		s.m.spawn(func() {
			defer s.m.local.release(s)
			j.run(s.m, k)
		})
	}
	return true
}

func (j *joining) run(m *Manager, k joinKey) {
	for {
		j.mu.Lock()
		queue := j.queues[k]
		if len(queue) == 0 {
			delete(j.queues, k)
			j.mu.Unlock()
			return
		}
		j.queues[k] = queue[1:]
		j.mu.Unlock()

		queue[0]()
		j.mu.Lock()
		j.n--
		j.mu.Unlock()
		m.joining.Add(-1)
	}
}

// An asker is the link whose client asks for topics.
type asker struct {
	s       *Session
	ref     store.LinkRef
	info    ReaderInfo
	value   any
	request context.Context // for its values
}

// newAsker returns the asker of a request on that link, which may be on another node.
func (m *Manager) newAsker(ctx context.Context, s *Session, ref store.LinkRef, value any) asker {
	a := asker{
		s: s, ref: ref, value: value, request: context.WithoutCancel(ctx),
		info: ReaderInfo{Reader: ref.Reader, Plain: isPlain(ref.Reader)},
	}
	a.ref.Turn = 0
	if l := a.link(); l != nil {
		a.info = l.reader()
	}
	return a
}

// link returns the Link on this node that carries the asker's link, or nil.
func (a asker) link() *Link {
	for l := range a.s.all() {
		if l.Hello.Link.Number == a.ref.Number {
			return l
		}
	}
	return nil
}

// requestTopics queues what a client asks for. The client is told on its link.
func (m *Manager) requestTopics(a asker, requests []TopicRequest) {
	for _, r := range requests {
		r.Topic = strings.Clone(r.Topic[:min(len(r.Topic), store.MaxTopic+1)])
		if r.Leave {
			if store.CheckTopic(r.Topic) == nil {
				a.s.addJoining(joinKey{a.ref.Number, r.Topic}, func() { a.leave(r.Topic) })
			}
			continue
		}
		switch {
		case m.tooManyJoins(a.s):
			a.refuse(refusal(r.Topic, http.StatusTooManyRequests, "too many joins: slow down"), false)
		case !a.s.addJoining(joinKey{a.ref.Number, r.Topic}, func() { a.join(r) }):
			a.refuse(refusal(r.Topic, http.StatusServiceUnavailable, "too many joins are waiting: come back"), false)
		}
	}
}

// tooManyJoins takes one join from those that the session may make in a time.
func (m *Manager) tooManyJoins(s *Session) bool {
	burst := max(m.o.Burst, 4*MaxTopics)
	return s.joins.take(m.now(), m.o.Rate, burst) > 0
}

func refusal(topic string, status int, reason string) store.TopicNotice {
	return store.TopicNotice{Topic: topic, Status: status, Reason: reason}
}

// refuse tells the client that it is no member. again is set if it may have been one, and
// asked again.
func (a asker) refuse(n store.TopicNotice, again bool) {
	l := a.link()
	if l != nil && !l.poll && !again { // the next poll is carried by another Link
		l.notify(n)
		return
	}
	ctx, cancel := context.WithTimeout(a.s.m.ctx, storeWait)
	defer cancel()
	err := a.s.log.LeaveTopic(ctx, store.TopicLeave{Topic: n.Topic, Link: a.ref, Notice: n})
	switch {
	case l != nil && errors.Is(err, store.ErrUnsupported):
		l.notify(n)
	case err != nil && !isOver(err):
		a.s.m.o.Logger.Error("session: refusing a join failed", append(a.s.logAttrs(a.info), "error", err)...)
	}
}

// leave ends the membership of the link.
func (a asker) leave(topic string) {
	ctx, cancel := context.WithTimeout(a.s.m.ctx, storeWait)
	defer cancel()
	err := a.s.log.LeaveTopic(ctx, store.TopicLeave{Topic: topic, Link: a.ref})
	if err != nil && !isOver(err) && !errors.Is(err, store.ErrUnsupported) {
		a.s.m.o.Logger.Error("session: leaving a topic failed", append(a.s.logAttrs(a.info), "error", err)...)
	}
}

// join makes the link a member of a topic, if the application lets it.
func (a asker) join(r TopicRequest) {
	ctx, cancel := context.WithTimeout(a.s.m.ctx, storeWait+a.s.m.o.HookTimeout)
	defer cancel()
	n, err := a.tryJoin(ctx, r)
	again := r.Info != nil // otherwise a member is no longer asked about
	switch {
	case n.Status != 0:
		a.refuse(n, again)
	case err == nil, isOver(err), errors.Is(err, store.ErrRenewed): // or the client comes back, and asks again
	case errors.Is(err, store.ErrTopics):
		a.refuse(refusal(r.Topic, http.StatusRequestEntityTooLarge,
			"too many topics for one page: leave another one"), again)
	case errors.Is(err, ErrInput):
		a.refuse(refusal(r.Topic, http.StatusBadRequest, "the place to begin is no position of this topic"), again)
	case errors.Is(err, store.ErrUnsupported):
		a.refuse(refusal(r.Topic, http.StatusNotImplemented, "this server has no topics"), again)
	case errors.Is(err, store.ErrBudget):
		a.refuse(refusal(r.Topic, http.StatusServiceUnavailable, "no room for another topic: come back later"), again)
	default:
		a.s.m.o.Logger.Error("session: joining a topic failed", append(a.s.logAttrs(a.info), "error", err)...)
		a.refuse(refusal(r.Topic, http.StatusServiceUnavailable, "the session store failed: come back"), again)
	}
}

// tryJoin makes the link a member. It returns a notice if the join is refused.
func (a asker) tryJoin(ctx context.Context, r TopicRequest) (store.TopicNotice, error) {
	wish := Join{Topic: r.Topic, Reader: a.info, Info: r.Info}
	if n := r.check(&wish.From); n.Status != 0 {
		return n, nil
	}
	t := a.s.m.topicForClient(r.Topic, a.s.logAttrs(a.info)...)
	switch {
	case t == nil:
		return hookUnavailable(r.Topic), nil
	case t.err != nil:
		return store.TopicNotice{}, t.err
	}

	row := store.TopicJoin{Topic: r.Topic, Link: a.ref, Max: MaxTopics, Again: true}
	if a.info.Plain {
		row.Max = MaxTopicsPlain
	}
	if r.Info == nil { // it may only want to hear again that it has joined
		if err := a.s.log.JoinTopic(ctx, row); !errors.Is(err, store.ErrNotFound) {
			return store.TopicNotice{}, err
		}
	}

	for range maxAsked {
		var err error
		if row.Removals, err = a.s.log.Removals(ctx); err != nil {
			return store.TopicNotice{}, err
		}
		j := wish
		if n := a.askHook(&j); n.Status != 0 {
			return n, nil
		}
		if row.At, row.Begin, err = j.From.place(ctx, t, true); err != nil {
			return store.TopicNotice{}, err
		}
		row.Info, row.Again = j.Info, false
		if err = a.s.log.JoinTopic(ctx, row); !errors.Is(err, store.ErrRemoved) {
			return store.TopicNotice{}, err
		}
	}
	return hookUnavailable(r.Topic), nil
}

// maxAsked is how often OnJoin decides about one join, because the application removes
// the session from a topic meanwhile.
const maxAsked = 3

// check checks a request before anything is done for it, and reads where it begins.
func (r *TopicRequest) check(from *From) store.TopicNotice {
	bad := func(reason string) store.TopicNotice { return refusal(r.Topic, http.StatusBadRequest, reason) }
	if err := store.CheckTopic(r.Topic); err != nil {
		r.Topic = strings.ToValidUTF8(r.Topic, "\uFFFD")
		return bad("the topic's name is not allowed: see docs/protocol.md")
	}
	if store.ServerOnly(r.Topic) {
		return refusal(r.Topic, http.StatusForbidden, "only the server joins topics that begin with ~")
	}
	if r.Info != nil && (len(r.Info) > MaxInfo || !json.Valid(r.Info)) {
		return bad(fmt.Sprintf("info must be JSON of at most %d bytes", MaxInfo))
	}

	switch r.From {
	case "", "now":
	case "start":
		*from = FromStart
	default:
		at, err := store.ParseTopicPosition(r.From)
		if err != nil {
			return bad("from must be now, start or a position")
		}
		*from = After(at)
	}
	return store.TopicNotice{}
}
