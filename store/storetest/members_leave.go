package storetest

import (
	"sync"
	"sync/atomic"

	"github.com/mirage-go/mirage/store"
)

var leaving = []clause{
	{"T6 the session leaves with its readers and links", func(e *env) {
		l := e.openTopics("s")
		k, other, none := l.attach("r"), l.attach("q"), l.attach("p")
		l.join("b", everybody, 1)
		l.join("a", k.Link, 1)
		l.join("a", whoever("q"), 1)
		l.leave("a", everybody, "out")
		k.memberOf("b*@1 now", "left a: out")
		other.memberOf("b*@1 now", "left a: out")
		none.memberOf("b*@1 now") // it did not read the topic
	}},
	{"T6 a reader leaves with its links", func(e *env) {
		l := e.openTopics("s")
		k, second, other := l.attach("r"), l.attach("r"), l.attach("q")
		l.join("a", whoever("r"), 1)
		l.join("a", second.Link, 1)
		l.join("a", other.Link, 1)
		l.leave("a", whoever("r"), "out")
		k.memberOf("left a: out")
		second.memberOf("left a: out")
		other.memberOf("a@1 now")
	}},
	{"T6 a join of a link is void if the session or a reader was removed since it was asked about", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		for i, whom := range []store.LinkRef{everybody, whoever("q")} {
			j := l.joining("a", k.Link, 1)
			j.Removals = l.removals()
			l.leave([]string{"a", "b"}[i], whom, "")
			l.e.is("JoinTopic", l.JoinTopic(ctx, j), store.ErrRemoved)
			k.memberOf()
			j.Again = true
			l.e.is("JoinTopic again", l.JoinTopic(ctx, j), store.ErrNotFound)
		}
		l.join("a", k.Link, 1)
		j := l.joining("b", k.Link, 1)
		j.Removals = l.removals()
		l.leave("c", k.Link, "no")          // its own client leaves
		l.leave("a", everybody, "ended", 4) // a topic has ended
		l.join("a", everybody, 1)           // the application joins
		e.is("JoinTopic", l.JoinTopic(ctx, j), nil)
		e.is("JoinTopic of the session", l.JoinTopic(ctx, l.joining("d", everybody, 1)), nil)
	}},
	{"T6 a link leaves alone", func(e *env) {
		l := e.openTopics("s")
		k, second := l.attach("r"), l.attach("r")
		l.join("a", k.Link, 1)
		l.join("a", second.Link, 1)
		ref := k.Link
		ref.Turn = 0
		l.leave("a", ref, "")
		k.memberOf()
		second.memberOf("a@1 now")
	}},
	{"T6 a notice is told once, and to one caller", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		l.join("a", everybody, 1)
		l.leave("a", everybody, "out")
		var told atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				of, err := l.Topics(ctx, k.Link)
				if err != nil {
					e.Errorf("Topics: %v", err)
				}
				told.Add(int64(len(of.Notices)))
			})
		}
		wg.Wait()
		equal(e, "notices", told.Load(), 1)
	}},
	{"T6 a notice waits for the request that carries the link", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		l.leave("a", k.Link, "no")
		next := l.claim(goOn(k))
		k.memberOf() // its turn is over
		next.memberOf("left a: no")
	}},
	{"T6 a join that was refused is told, whatever the link reads", func(e *env) {
		l := e.openTopics("s")
		k, other := l.attach("r"), l.attach("r")
		ref := k.Link
		ref.Turn = 0
		l.leave("a", ref, "no")
		k.memberOf("left a: no")
		other.memberOf()
		l.leave("a", whoever("r"), "no") // it names no link
		k.memberOf()
		l.join("a", everybody, 1)
		l.leave("a", k.Link, "no") // it reads the topic nevertheless
		k.memberOf("a*@1 now", "left a: no")
	}},
	{"T6 notices are in order, and without one nothing is told", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		l.leave("a", k.Link, "1")
		l.join("a", k.Link, 1)
		l.leave("a", k.Link, "")
		l.leave("a", k.Link, "2")
		l.leave("b", k.Link, "3")
		k.memberOf("left a: 1", "left a: 2", "left b: 3")
	}},
	{"T6 leaving what was never joined does nothing", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		l.leave("a", everybody, "out")
		l.leave("a", whoever("r"), "out")
		l.leave("a", whoever("nobody"), "out")
		l.leave("a", store.LinkRef{Reader: "r", Number: k.Link.Number + 1}, "out")
		k.memberOf()
	}},
	{"T6 leaving and joining again begins anew", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		l.join("a", everybody, 1)
		k.acksTopic("a", 3)
		l.leave("a", everybody, "out")
		l.join("a", everybody, 2)
		k.memberOf("a*@2 now", "left a: out")
	}},
	{"T12 the end of an epoch ends the memberships in it", func(e *env) {
		l := e.openTopics("s")
		k, other, acked := l.attach("r"), l.attach("q"), l.attach("p")
		l.join("a", k.Link, 1)
		j := l.joining("a", other.Link, 1)
		j.At.Epoch = 6
		l.joins(j)
		l.join("a", whoever("p"), 1)
		acked.acksTopics(pos("a", 6, 2)) // it has come to the next epoch
		l.leave("a", everybody, "ended", 4, 5)
		k.memberOf("left a: ended")
		other.memberOf("a@6/1 now")
		acked.memberOf("a@6/2 after (6/2)")
		l.leave("a", everybody, "ended", 7)
		other.memberOf("a@6/1 now")
		l.leave("a", everybody, "ended", 6, 7)
		other.memberOf("left a: ended")
	}},
	{"T12 who joined again in the next epoch goes on there", func(e *env) {
		for _, whom := range []func(*link) store.LinkRef{
			func(*link) store.LinkRef { return everybody },
			func(k *link) store.LinkRef { return whoever(k.Link.Reader) },
			func(k *link) store.LinkRef { return k.Link },
		} {
			l := e.openTopics("s")
			k := l.attach("r")
			j := l.joining("a", whom(k), 3)
			l.joins(j)
			k.acksTopic("a", 4)
			before := k.joinedIn("a").Asked
			j.At, j.Begin = pos("a", 6, 1), store.BeginStart
			l.joins(j)
			l.leave("a", everybody, "ended", 5)
			is := k.joinedIn("a")
			equal(e, "place", describePlace(is), "6/1 start")
			equal(e, "acknowledged", is.Acked, store.TopicPosition{})
			if is.Asked <= before {
				e.Error("it must be told again that it has joined")
			}
			equal(e, "told that it left", len(k.topicsOf().Notices), 0)
			l.leave("a", everybody, "ended", 6)
			k.memberOf("left a: ended")
			e.end("s")
		}
	}},
	{"T12 who asks again after having joined in the next epoch goes on there", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		j := l.joining("a", k.Link, 3)
		l.joins(j)
		j.At.Epoch = 6
		l.joins(j)
		e.is("Again", l.asksAgain("a", k.Link), nil)
		l.leave("a", everybody, "ended", 5)
		k.memberOf("a@6/3 now")
	}},
}
