package storetest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mirage-go/mirage/store"
)

// Memberships do not depend on what the topics hold, so that most clauses about them use
// positions of topics that never began.

// pos returns a position of a topic.
func pos(topic string, epoch uint32, seq uint64) store.TopicPosition {
	return store.TopicPosition{Topic: store.TopicHash(topic), Epoch: epoch, Seq: seq}
}

// everybody is the session as a whole, whoever one reader.
var everybody store.LinkRef

func whoever(reader string) store.LinkRef { return store.LinkRef{Reader: reader} }

// openTopics makes the session id. The test fails if the store has no topics.
func (e *env) openTopics(id string, narrow ...func(*store.Bounds)) *log {
	e.Helper()
	if _, ok := e.store.(store.TopicStore); !ok {
		e.Fatal("the store is no store.TopicStore: see Without")
	}
	return e.openLog(id, narrow...)
}

// joining returns a join that begins after the message seq of epoch 5.
func (l *log) joining(topic string, whom store.LinkRef, seq uint64) store.TopicJoin {
	return store.TopicJoin{Topic: topic, Link: whom, At: pos(topic, 5, seq), Begin: store.BeginNow, Max: 64}
}

func (l *log) join(topic string, whom store.LinkRef, seq uint64) {
	l.e.Helper()
	l.joins(l.joining(topic, whom, seq))
}

func (l *log) joins(j store.TopicJoin) {
	l.e.Helper()
	j.Removals = l.removals()
	if err := l.JoinTopic(ctx, j); err != nil {
		l.e.Fatalf("JoinTopic(%+v): %v", j, err)
	}
}

// removals is what a decision about a join begins with.
func (l *log) removals() uint64 {
	l.e.Helper()
	n, err := l.Removals(ctx)
	if err != nil {
		l.e.Fatalf("Removals: %v", err)
	}
	return n
}

// cannotJoin fails the test unless the join is refused with want.
func (l *log) cannotJoin(j store.TopicJoin, want error) {
	l.e.Helper()
	j.Removals = l.removals()
	l.e.is(fmt.Sprintf("JoinTopic(%+v)", j), l.JoinTopic(ctx, j), want)
}

// asksAgain joins without making a membership.
func (l *log) asksAgain(topic string, whom store.LinkRef) error {
	return l.JoinTopic(ctx, store.TopicJoin{Topic: topic, Link: whom, Again: true, Max: 64})
}

// leave ends memberships, and tells links.
func (l *log) leave(topic string, whom store.LinkRef, notice string, epochs ...uint32) {
	l.e.Helper()
	q := store.TopicLeave{Topic: topic, Link: whom, Epochs: epochs}
	if notice != "" {
		q.Notice = store.TopicNotice{Topic: topic, Status: 403, Reason: notice, Retry: 7}
	}
	if err := l.LeaveTopic(ctx, q); err != nil {
		l.e.Fatalf("LeaveTopic(%+v): %v", q, err)
	}
}

// topicsOf returns what the link reads, and what its client is to be told.
func (k *link) topicsOf() store.TopicsOfLink {
	k.log.e.Helper()
	of, err := k.Log().Topics(ctx, k.Link)
	if err != nil {
		k.log.e.Fatalf("Topics(%+v): %v", k.Link, err)
	}
	return of
}

// memberOf fails the test unless these are the link's topics: "a@3 now", with "*" if the
// session is a member, and "(2)" if the reader has acknowledged that much. Notices
// follow: "left a: reason".
func (k *link) memberOf(want ...string) {
	k.log.e.Helper()
	var got []string
	of := k.topicsOf()
	for i := range of.Joined {
		got = append(got, describeJoined(&of.Joined[i]))
	}
	for _, n := range of.Notices {
		if n.Status != 403 || n.Retry != 7 {
			k.log.e.Errorf("the notice is %+v", n)
		}
		got = append(got, fmt.Sprintf("left %s: %s", n.Topic, n.Reason))
	}
	equal(k.log.e, k.Link.Reader+"'s topics", strings.Join(got, ", "), strings.Join(want, ", "))
}

func describeJoined(j *store.TopicJoined) string {
	s := j.Topic
	if j.Whole {
		s += "*"
	}
	s += "@" + place5(j.At) + " " + [...]string{"after", "now", "start"}[j.Begin]
	if j.Acked != (store.TopicPosition{}) {
		s += " (" + place5(j.Acked) + ")"
	}
	if j.Info != nil {
		s += " " + string(j.Info)
	}
	return s
}

// place5 describes a position by its number, and by its epoch if that is not 5.
func place5(p store.TopicPosition) string {
	if p.Epoch == 5 {
		return fmt.Sprint(p.Seq)
	}
	return fmt.Sprintf("%d/%d", p.Epoch, p.Seq)
}

// joinedIn returns what the link reads of one topic.
func (k *link) joinedIn(topic string) store.TopicJoined {
	k.log.e.Helper()
	for _, j := range k.topicsOf().Joined {
		if j.Topic == topic {
			return j
		}
	}
	k.log.e.Fatalf("%s does not read %s", k.Link.Reader, topic)
	return store.TopicJoined{}
}

// acksTopic acknowledges a position in epoch 5.
func (k *link) acksTopic(topic string, seq uint64) {
	k.log.e.Helper()
	k.acksTopics(pos(topic, 5, seq))
}

func (k *link) acksTopics(at ...store.TopicPosition) {
	k.log.e.Helper()
	if err := k.Log().AckTopics(ctx, k.Link, at); err != nil {
		k.log.e.Fatalf("AckTopics(%+v, %v): %v", k.Link, at, err)
	}
}

// version returns Tail.Topics.
func (k *link) version() uint64 {
	k.log.e.Helper()
	k.take(1)
	return k.tail.Topics
}

// memberSteps are all steps that concern memberships, on a link.
func memberSteps(l store.Log, ref store.LinkRef) map[string]error {
	steps := make(map[string]error)
	steps["JoinTopic"] = l.JoinTopic(ctx, store.TopicJoin{Topic: "a", Link: ref, At: pos("a", 5, 0), Max: 64})
	steps["LeaveTopic"] = l.LeaveTopic(ctx, store.TopicLeave{Topic: "a", Link: ref})
	_, steps["Removals"] = l.Removals(ctx)
	_, steps["Topics"] = l.Topics(ctx, ref)
	steps["TopicTold"] = l.TopicTold(ctx, ref, "a", store.TopicTold{Asked: 1})
	steps["AckTopics"] = l.AckTopics(ctx, ref, []store.TopicPosition{pos("a", 5, 1)})
	return steps
}

// allFail fails the test unless all steps return want, but for those named.
func (e *env) allFail(steps map[string]error, want error, but ...string) {
	e.Helper()
	for name, err := range steps {
		named := false
		for _, b := range but {
			named = named || b == name
		}
		if !named && !errors.Is(err, want) {
			e.Errorf("%s: error %v, want %v", name, err, want)
		}
	}
}
