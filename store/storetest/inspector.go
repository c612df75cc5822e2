package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mirage-go/mirage/store"
)

// inspector returns the store's Inspector. The test fails if it has none.
func (e *env) inspector() store.Inspector {
	e.Helper()
	i, ok := e.store.(store.Inspector)
	if !ok {
		e.Fatal("the store is no store.Inspector: see Without")
	}
	return i
}

// detail describes the session id.
func (e *env) detail(id string) store.SessionDetail {
	e.Helper()
	d, err := e.inspector().InspectSession(ctx, id)
	if err != nil {
		e.Fatalf("InspectSession(%q): %v", id, err)
	}
	return d
}

// summaries returns all sessions by their ids.
func (e *env) summaries() map[string]store.SessionSummary {
	e.Helper()
	all := make(map[string]store.SessionSummary)
	for is, err := range e.inspector().InspectSessions(ctx) {
		if err != nil {
			e.Fatalf("InspectSessions: %v", err)
		}
		if _, twice := all[is.ID]; twice {
			e.Errorf("%q is listed twice", is.ID)
		}
		all[is.ID] = is
	}
	return all
}

// retained describes the messages of the session id, like undelivered, with the reader of
// those that are for one alone: "1:a 2:b>r".
func (e *env) retained(id string, after uint64, max int) string {
	e.Helper()
	all, err := e.inspector().SessionMessages(ctx, id, after, max)
	if err != nil {
		e.Fatalf("SessionMessages(%q, %d, %d): %v", id, after, max, err)
	}
	var out []string
	for _, m := range all {
		s := fmt.Sprintf("%d:%s", m.Seq, m.Message.Data)
		if m.Reader != "" {
			s += ">" + m.Reader
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

var inspecting = []clause{
	{"O3 an empty store has nothing to inspect", func(e *env) {
		u, err := e.inspector().Usage(ctx)
		if err != nil || u.Sessions != 0 || u.Topics > 0 {
			e.Errorf("Usage() = %+v, %v", u, err)
		}
		equal(e, "sessions", len(e.summaries()), 0)
		_, err = e.inspector().InspectSession(ctx, "nobody")
		e.is("InspectSession of nobody", err, store.ErrNotFound)
		_, err = e.inspector().SessionMessages(ctx, "nobody", 0, 10)
		e.is("SessionMessages of nobody", err, store.ErrNotFound)
	}},
	{"O3 a session is described as it is", func(e *env) {
		l := e.openLog("a", messages(7), dropOldest, stallAfter(3*time.Second), func(b *store.Bounds) {
			b.MaxBytes, b.Quiet = 5000, time.Minute
		})
		equal(e, "First of an empty log", e.detail("a").First, 1)
		b, a := l.attach("b"), l.attach("a")
		second, p := l.attach("a"), l.plain("p")
		l.add("1", "22", "333")
		l.addTo("a", "4444")
		b.read()
		b.acks(e.at(b.last, 1))
		a.read()
		a.acks(e.at(a.last, 3))
		p.read()
		l.deliver("w", 1, 3)

		d, size := e.detail("a"), int64(text("").Size())
		want := store.SessionSummary{ID: "a", Messages: 3, Bytes: 3*size + 9, Readers: 3, Links: 4}
		if d.Messages == 4 { // a store may keep what all have passed
			want.Messages, want.Bytes = 4, 4*size+10
		}
		equal(e, "the summary", d.SessionSummary, want)
		equal(e, "the session in the list", e.summaries()["a"], want)
		equal(e, "the epoch", d.Epoch, a.Position.Epoch)
		equal(e, "First", d.First, uint64(5-d.Messages))
		equal(e, "Top", d.Top, 4)
		equal(e, "Mark", d.Mark, 3)
		equal(e, "Writers", d.Writers, 1)
		equal(e, "Topics", len(d.Topics), 0)
		equal(e, "Bounds", d.Bounds, store.Bounds{
			MaxMessages: 7, MaxBytes: 5000, Overflow: store.OverflowDropOldest, Retention: time.Hour, MaxLinks: 32,
			Quiet: time.Minute, MaxReaders: 128, MaxWriters: 32, Stall: 3 * time.Second,
		})

		if len(d.ReaderDetails) != 3 {
			e.Fatalf("readers: %+v", d.ReaderDetails)
		}
		for i, want := range []store.ReaderDetail{
			{Reader: "a", Links: 2, Acked: 3},
			{Reader: "b", Links: 1, Acked: 1},
			{Reader: "p", Plain: true, Links: 1},
		} {
			got := d.ReaderDetails[i]
			if got.Sent < got.Acked || got.Sent > 4 {
				e.Errorf("%s was sent %d", got.Reader, got.Sent)
			}
			got.Sent = 0
			equal(e, "a reader", got, want)
		}
		e.soon("what the plain reader was sent is known", func() bool {
			return e.detail("a").ReaderDetails[2].Sent == 4
		})

		second.detach()
		equal(e, "links of a", e.detail("a").ReaderDetails[0].Links, 1)
	}},
	{"O3 how long a reader is away, and a session idle, is known", func(e *env) {
		l := e.openLog("a")
		a, b := l.attach("a"), l.attach("b")
		a.detach()
		e.pass(e.brief(), func() { b.read() })
		d := e.detail("a")
		equal(e, "idle with a link", d.Idle, 0)
		equal(e, "b is away", d.ReaderDetails[1].Away, 0)
		if away := d.ReaderDetails[0].Away; away < e.brief()/2 || away > time.Hour {
			e.Errorf("a is away for %v", away)
		}
		b.detach()
		e.pass(e.brief(), nil)
		d = e.detail("a")
		if d.Idle < e.brief()/2 || d.Idle >= d.ReaderDetails[0].Away {
			e.Errorf("idle for %v, a is away for %v", d.Idle, d.ReaderDetails[0].Away)
		}
		equal(e, "links", d.Links, 0)
		equal(e, "readers", d.Readers, 2)
	}},
	{"O3 to inspect a session does not keep it, nor its readers", func(e *env) {
		l, stays := e.openLog("a", keptFor(2*e.brief())), e.openLog("stays", keptFor(2*e.brief()))
		look := func() {
			for range e.summaries() {
				_, err := e.inspector().InspectSession(ctx, "a")
				if err == nil {
					_, err = e.inspector().SessionMessages(ctx, "a", 0, 10)
				}
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					e.Errorf("a session that is about to end: %v", err)
				}
			}
		}
		l.attach("r").detach()
		l.add("1")
		here := stays.attach("here")
		stays.attach("away").detach()

		var ended []store.Ended
		e.soon("it expires", func() bool {
			look()
			here.read()
			ended = append(ended, e.due(10)...)
			return len(ended) > 0
		})
		equal(e, "what nobody has", undelivered(ended[0]), "1:1")
		_, err := e.inspector().InspectSession(ctx, "a")
		e.is("InspectSession of an ended one", err, store.ErrNotFound)
		e.soon("a reader is forgotten", func() bool {
			look()
			here.read()
			return e.detail("stays").Readers == 1
		})
		equal(e, "forgotten", stays.attach("away").Fresh, true)
	}},
	{"O3 to inspect takes nothing, and is no sign of life", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.add("1", "2")
		for range 3 {
			e.detail("a")
			e.retained("a", 0, 10)
		}
		k.reads("1:1 2:2")
		l.isBehind(0, 1, 2)
	}},
	{"O3 a session that moved is found by its id alone", func(e *env) {
		l := e.openLog("a")
		l.attach("r").detach()
		l.add("1")
		e.move("a", "b", "", 0)
		_, err := e.inspector().InspectSession(ctx, "a")
		e.is("InspectSession by the old id", err, store.ErrNotFound)
		d := e.detail("b")
		equal(e, "id", d.ID, "b")
		equal(e, "messages", d.Messages, 1)
		equal(e, "its messages", e.retained("b", 0, 10), "1:1")
		all := e.summaries()
		equal(e, "sessions", len(all), 1)
		equal(e, "id in the list", all["b"].ID, "b")

		// Another session takes the old id, and is joined to it.
		e.openLog("a").add("2", "3")
		equal(e, "sessions", len(e.summaries()), 2)
		e.move("a", "b", "", 0)
		equal(e, "its messages", e.retained("b", 0, 10), "1:1 2:2 3:3")
		equal(e, "sessions", len(e.summaries()), 1)
	}},
	{"O3 messages come in pages, with the reader that they are for", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r ü")
		l.add("1", "2")
		l.addTo("r ü", "3")
		l.add("4")
		equal(e, "all", e.retained("a", 0, 10), "1:1 2:2 3:3>r ü 4:4")
		equal(e, "the first", e.retained("a", 0, 2), "1:1 2:2")
		equal(e, "the next", e.retained("a", 2, 1), "3:3>r ü")
		equal(e, "none", e.retained("a", 4, 10)+e.retained("a", 0, 0)+e.retained("a", 1<<62, 10), "")
		k.read()
		k.ack()
		l.add("5")
		equal(e, "the last", e.retained("a", 4, 10), "5:5")
	}},
	{"O3 messages come at most 1000 at a time", func(e *env) {
		l := e.openLog("a", messages(2000))
		for i := range 1010 {
			l.add(fmt.Sprint(i))
		}
		all, err := e.inspector().SessionMessages(ctx, "a", 2, 1<<30)
		if err != nil || len(all) != store.MaxInspected || all[0].Seq != 3 || all[999].Seq != 1002 {
			e.Errorf("got %d messages, %v", len(all), err)
		}
	}},
	{"O3 all sessions are listed", func(e *env) {
		const n = 300
		for i := range n {
			l := e.openLog(fmt.Sprint("s/", i))
			for range i % 3 {
				l.add("x")
			}
		}
		all := e.summaries()
		equal(e, "sessions", len(all), n)
		for i := range n {
			equal(e, "messages", all[fmt.Sprint("s/", i)].Messages, i%3)
		}
		u, err := e.inspector().Usage(ctx)
		if err != nil || u.Sessions != n {
			e.Errorf("Usage() = %+v, %v", u, err)
		}
		for range e.inspector().InspectSessions(ctx) {
			break
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		for _, err := range e.inspector().InspectSessions(ended) {
			if !errors.Is(err, context.Canceled) {
				e.Errorf("InspectSessions with an ended context: %v", err)
			}
		}
	}},
}

var inspectingKeys = []clause{
	{"O3 what was superseded or has expired is not among the messages", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.addKey("k", "1")
		l.add("2")
		l.addFor(e.brief(), "3")
		l.addKey("k", "4")
		equal(e, "all", e.retained("a", 0, 10), "2:2 3:3 4:4")
		d := e.detail("a")
		equal(e, "First, Top", fmt.Sprint(d.First, d.Top, d.Messages), "2 4 3")
		e.pass(2*e.brief(), nil)
		equal(e, "after the TTL", e.retained("a", 0, 10), "2:2 4:4")
		k.reads("2:2 4:4")
	}},
}

// topicSummaries returns all topics by their names.
func (e *env) topicSummaries() map[string]store.TopicSummary {
	e.Helper()
	all := make(map[string]store.TopicSummary)
	for is, err := range e.inspector().InspectTopics(ctx) {
		if err != nil {
			e.Fatalf("InspectTopics: %v", err)
		}
		if _, twice := all[is.Name]; twice {
			e.Errorf("%q is listed twice", is.Name)
		}
		all[is.Name] = is
	}
	return all
}

var inspectingTopics = []clause{
	{"O3 topics are described as they are", func(e *env) {
		equal(e, "topics", len(e.topicSummaries()), 0)
		room, other := e.topic("room:t:h:7", retaining(2)), e.topic("other")
		for _, s := range []string{"1", "22", "333"} {
			room.publish(s)
		}
		if _, err := room.Enter(ctx, "ann", 1, nil); err != nil {
			e.Fatal(err)
		}
		other.put(piece("k", "grows"))
		other.put(piece("k", "more"))

		all := e.topicSummaries()
		equal(e, "topics", len(all), 2)
		equal(e, "room", all["room:t:h:7"], store.TopicSummary{
			Name: "room:t:h:7", Messages: 2, Bytes: int64(2*text("").Size() + 5), Top: 3, Members: 1,
		})
		is := all["other"]
		if is.Bytes < int64(text("grows more").Size()) {
			e.Errorf("the growing message has %d bytes", is.Bytes)
		}
		is.Bytes = 0
		equal(e, "other", is, store.TopicSummary{Name: "other", Messages: 1, Top: 2})

		if err := room.End(ctx); err != nil {
			e.Fatal(err)
		}
		equal(e, "topics after an end", len(e.topicSummaries()), 1)
	}},
	{"O3 many topics are listed", func(e *env) {
		for i := range 600 {
			e.topic(fmt.Sprint("room:", i)).publish("x")
		}
		equal(e, "topics", len(e.topicSummaries()), 600)
	}},
	{"O3 to inspect a topic does not keep it", func(e *env) {
		e.topic("room", aging(e.brief())).publish("1")
		e.soon("it is forgotten", func() bool {
			_, err := e.store.Expired(ctx, 10)
			e.is("Expired", err, nil)
			return len(e.topicSummaries()) == 0
		})
	}},
	{"O3 a session tells the topics of which it is a member", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		for _, j := range []struct {
			topic string
			whom  store.LinkRef
		}{
			{"whole", store.LinkRef{}},
			{"reader", store.LinkRef{Reader: "r"}},
			{"link", k.Link}, {"whole", k.Link},
		} {
			l.join(j.topic, j.whom, 0)
		}
		equal(e, "topics", strings.Join(e.detail("a").Topics, " "), "link reader whole")
		k.detach()
		got := e.detail("a").Topics
		equal(e, "without the link", slices.Contains(got, "link"), false)
		equal(e, "without the link", len(got), 2)
	}},
}
