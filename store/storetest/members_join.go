package storetest

import (
	"fmt"

	"github.com/mirage-go/mirage/store"
)

var joining = []clause{
	{"T2 a session joins with all links that it has and gets", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		k.memberOf()
		l.join("a", everybody, 3)
		k.memberOf("a*@3 now")
		l.attach("r").memberOf("a*@3 now")
		l.attach("q").memberOf("a*@3 now")
	}},
	{"T2 a session joins before it has a link", func(e *env) {
		l := e.openTopics("s")
		l.join("a", everybody, 3)
		l.attach("r").memberOf("a*@3 now")
	}},
	{"T2 a reader joins with its own links", func(e *env) {
		l := e.openTopics("s")
		k, other := l.attach("r"), l.attach("q")
		l.join("a", whoever("r"), 3)
		k.memberOf("a@3 now")
		other.memberOf()
		l.attach("r").memberOf("a@3 now")
	}},
	{"T2 a link joins alone, whichever request carries it", func(e *env) {
		l := e.openTopics("s")
		k, second := l.attach("r"), l.attach("r")
		ref := k.Link
		ref.Turn = 0 // the request that asks need not be the one that carries the link
		l.join("a", ref, 3)
		k.memberOf("a@3 now")
		second.memberOf()
		next := l.claim(goOn(k))
		next.memberOf("a@3 now")
		k.memberOf() // it is another request's now
	}},
	{"T2 topics are in the order in which they were first joined", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		l.join("c", k.Link, 1)
		l.join("a", everybody, 2)
		l.join("b", whoever("r"), 3)
		l.join("c", k.Link, 4)
		k.memberOf("c@1 now", "a*@2 now", "b@3 now")
	}},
	{"T2 joining twice is joining once", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		for _, whom := range []store.LinkRef{everybody, whoever("r"), k.Link} {
			j := l.joining("a", whom, 3)
			l.joins(j)
			j.At, j.Begin = pos("a", 5, 7), store.BeginStart
			l.joins(j)
			equal(e, "topics", len(k.topicsOf().Joined), 1)
			equal(e, "place", describePlace(k.joinedIn("a")), "3 now")
			l.leave("a", whom, "")
			k.memberOf()
		}
		l.joins(store.TopicJoin{Topic: "a", Link: k.Link, At: pos("a", 5, 9), Begin: store.BeginStart, Max: 64})
		k.memberOf("a@9 start") // it had left since
	}},
	{"T2 memberships of the session, the reader and the link in one topic are one", func(e *env) {
		l := e.openTopics("s")
		k, other := l.attach("r"), l.attach("q")
		l.join("a", k.Link, 3)
		l.join("a", whoever("r"), 3)
		l.join("a", everybody, 3)
		k.memberOf("a*@3 now")
		other.memberOf("a*@3 now")
		l.leave("a", k.Link, "one")
		k.memberOf("a*@3 now", "left a: one") // it still reads the topic, but it was named
		l.leave("a", whoever("r"), "two")
		k.memberOf("a*@3 now")
		l.leave("a", everybody, "three")
		k.memberOf("left a: three")
	}},
	{"T2 the info is that of the last join that had one", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		j := l.joining("a", k.Link, 3)
		j.Info = []byte("1")
		l.joins(j)
		k.memberOf("a@3 now 1")
		j.Info = nil
		l.joins(j)
		k.memberOf("a@3 now 1")
		j.Info = []byte(`"longer"`)
		l.joins(j)
		k.memberOf(`a@3 now "longer"`)
		l.leave("a", k.Link, "")
		l.join("a", k.Link, 4)
		k.memberOf("a@4 now")
	}},
	{"T2 of several memberships in a topic, the last join's info counts", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		for i, whom := range []store.LinkRef{k.Link, everybody, whoever("r"), everybody, k.Link} {
			j := l.joining("a", whom, 1)
			j.Info = []byte{byte('0' + i)}
			l.joins(j)
			equal(e, "info", string(k.joinedIn("a").Info), string(j.Info))
		}
	}},
	{"T2 a link reads Max topics, and no more", func(e *env) {
		l := e.openTopics("s")
		k, other := l.attach("r"), l.attach("q")
		max2 := func(topic string, whom store.LinkRef) store.TopicJoin {
			j := l.joining(topic, whom, 1)
			j.Max = 2
			return j
		}
		l.joins(max2("a", k.Link))
		l.joins(max2("b", whoever("r")))
		l.joins(max2("a", k.Link)) // it reads that one already
		l.joins(max2("b", k.Link))
		l.joins(max2("a", everybody))
		l.cannotJoin(max2("c", k.Link), store.ErrTopics)
		l.cannotJoin(max2("c", whoever("r")), store.ErrTopics)
		l.cannotJoin(max2("c", everybody), store.ErrTopics)
		l.joins(max2("c", other.Link))
		other.memberOf("a*@1 now", "c@1 now")
		k.memberOf("a*@1 now", "b@1 now")
		l.leave("b", whoever("r"), "")
		l.joins(max2("c", k.Link))
		k.memberOf("a*@1 now", "c@1 now")
	}},
	{"T2 many topics", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		for i := range 64 {
			l.join(fmt.Sprint("t", i), k.Link, uint64(i))
		}
		l.cannotJoin(l.joining("one more", k.Link, 0), store.ErrTopics)
		equal(e, "topics", len(k.topicsOf().Joined), 64)
		equal(e, "the last", k.topicsOf().Joined[63].Topic, "t63")
	}},
	{"T6 Again makes no membership", func(e *env) {
		l := e.openTopics("s")
		k, other := l.attach("r"), l.attach("q")
		l.join("a", other.Link, 3)
		l.join("b", whoever("r"), 3)
		e.is("asking again", l.asksAgain("a", k.Link), store.ErrNotFound)
		e.is("asking again as the session", l.asksAgain("a", everybody), store.ErrNotFound)
		k.memberOf("b@3 now")
		l.join("a", k.Link, 4)
		e.is("asking again", l.asksAgain("a", k.Link), nil)
		k.memberOf("b@3 now", "a@4 now")
	}},
	{"T6 nobody joins who is not there", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		l.cannotJoin(l.joining("a", whoever("nobody"), 1), store.ErrNotFound)
		l.cannotJoin(l.joining("a", store.LinkRef{Reader: "nobody", Number: k.Link.Number}, 1), store.ErrNotFound)
		l.cannotJoin(l.joining("a", store.LinkRef{Reader: "r", Number: 99}, 1), store.ErrNotFound)
		l.cannotJoin(l.joining("a", store.LinkRef{Reader: "r", Number: k.Link.Number + 1}, 1), store.ErrNotFound)
		l.attach("q")
		k.detach()
		l.cannotJoin(l.joining("a", k.Link, 1), store.ErrNotFound)
		l.join("a", whoever("r"), 1) // it is remembered
		l.attach("r").memberOf("a@1 now")
	}},
	{"T6 a link that must come back joins nothing", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		l.join("a", k.Link, 1)
		e.is("Renew", l.Renew(ctx), nil)
		e.allFail(memberSteps(l, k.Link), store.ErrRenewed, "LeaveTopic", "Removals")
	}},
	{"T2 memberships change Tail.Topics", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		equal(e, "version before the first", k.version(), 0)
		seen := map[uint64]bool{0: true}
		changes := func(what string, f func()) {
			e.Helper()
			f()
			v := k.version()
			if seen[v] {
				e.Errorf("%s does not change the version", what)
			}
			equal(e, "version in Topics", k.topicsOf().Version, v)
			equal(e, "the same without a change", k.version(), v)
			seen[v] = true
		}
		changes("a join of the session", func() { l.join("a", everybody, 1) })
		changes("a join of the reader", func() { l.join("b", whoever("r"), 1) })
		changes("a join of the link", func() { l.join("c", k.Link, 1) })
		changes("asking again", func() { e.is("Again", l.asksAgain("c", k.Link), nil) })
		changes("leaving", func() { l.leave("c", k.Link, "") })
		changes("a notice", func() { l.leave("d", k.Link, "no") })
		changes("removing", func() { l.leave("a", everybody, "no") })
	}},
	{"T2 memberships wake the log's watchers", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		woken := make(chan struct{}, 1)
		stop := l.Watch(func() {
			select {
			case woken <- struct{}{}:
			default:
			}
		})
		defer stop()
		other := e.again("s")
		for what, f := range map[string]func(){
			"a join":   func() { other.join("a", everybody, 1) },
			"a leave":  func() { other.leave("a", everybody, "no") },
			"a notice": func() { other.leave("b", k.Link, "no") },
		} {
			e.soon(what+" wakes", func() bool {
				f()
				return e.signalled(woken)
			})
		}
	}},
}

func describePlace(j store.TopicJoined) string {
	return place5(j.At) + " " + [...]string{"after", "now", "start"}[j.Begin]
}

var confirming = []clause{
	{"T6 Asked increases each time that the client of the link asks", func(e *env) {
		l := e.openTopics("s")
		k, other := l.attach("r"), l.attach("q")
		l.join("a", everybody, 1)
		first := k.joinedIn("a").Asked
		if first == 0 {
			e.Error("Asked is 0")
		}
		l.join("a", k.Link, 1)
		second := k.joinedIn("a").Asked
		e.is("Again", l.asksAgain("a", k.Link), nil)
		third := k.joinedIn("a").Asked
		if second <= first || third <= second {
			e.Errorf("Asked: %d, %d, %d", first, second, third)
		}
		equal(e, "Asked of another link", other.joinedIn("a").Asked, first)
	}},
	{"T6 what a link's client was told is there for the next request", func(e *env) {
		l := e.openTopics("s")
		k, other := l.attach("r"), l.attach("r")
		l.join("a", k.Link, 1)
		l.join("b", everybody, 1)
		equal(e, "told before", k.joinedIn("a").Told, store.TopicTold{})
		told := store.TopicTold{Asked: k.joinedIn("a").Asked, At: pos("a", 5, 7), Members: 3}
		e.is("TopicTold", l.TopicTold(ctx, k.Link, "a", told), nil)
		equal(e, "told", k.joinedIn("a").Told, told)
		equal(e, "told of another topic", k.joinedIn("b").Told, store.TopicTold{})
		e.is("TopicTold", l.TopicTold(ctx, k.Link, "b", store.TopicTold{Asked: 1}), nil)
		equal(e, "told to another link", other.joinedIn("b").Told, store.TopicTold{})
		k = l.claim(goOn(k))
		equal(e, "told to the next request", k.joinedIn("a").Told, told)
		told.Members = 4
		e.is("TopicTold", l.TopicTold(ctx, k.Link, "a", told), nil)
		equal(e, "told once more", k.joinedIn("a").Told, told)
	}},
	{"T6 who has left was told nothing", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		for _, whom := range []store.LinkRef{everybody, whoever("r"), k.Link} {
			l.join("a", whom, 1)
			e.is("TopicTold", l.TopicTold(ctx, k.Link, "a", store.TopicTold{Asked: 1}), nil)
			l.leave("a", whom, "")
			e.is("TopicTold of a topic that it does not read",
				l.TopicTold(ctx, k.Link, "a", store.TopicTold{Asked: 2}), nil)
			l.join("a", whom, 1)
			equal(e, "told", k.joinedIn("a").Told, store.TopicTold{})
			l.leave("a", whom, "")
		}
	}},
	{"T6 nobody is told who is not there", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		l.join("a", everybody, 1)
		err := l.TopicTold(ctx, store.LinkRef{Reader: "r", Number: 99}, "a", store.TopicTold{Asked: 1})
		e.is("TopicTold", err, store.ErrNotFound)
		_, err = l.Topics(ctx, store.LinkRef{Reader: "nobody", Number: k.Link.Number})
		e.is("Topics", err, store.ErrNotFound)
	}},
}
