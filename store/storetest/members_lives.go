package storetest

import (
	"github.com/mirage-go/mirage/store"
)

var memberLives = []clause{
	{"T2 a link's membership ends with the link", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		l.join("a", k.Link, 1)
		l.join("b", whoever("r"), 1)
		l.join("c", everybody, 1)
		k.detach()
		l.attach("r").memberOf("b@1 now", "c*@1 now")
	}},
	{"T2 a reader's membership lasts while the reader is remembered", func(e *env) {
		l := e.openTopics("s", keptFor(e.brief()))
		k, other := l.attach("r"), l.attach("q")
		l.join("a", whoever("r"), 1)
		l.join("b", everybody, 1)
		k.detach()
		e.pass(2*e.brief(), func() { other.read() })
		k = l.attach("r")
		equal(e, "forgotten", k.Fresh, true)
		k.memberOf("b*@1 now")
		l.cannotJoin(l.joining("a", whoever("nobody"), 1), store.ErrNotFound)
	}},
	{"T2 a reader's membership ends when it quits", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		l.attach("q")
		l.join("a", whoever("r"), 1)
		l.join("b", k.Link, 1)
		l.join("c", everybody, 1)
		_, _, err := l.Quit(ctx, k.Link)
		e.is("Quit", err, nil)
		l.attach("r").memberOf("c*@1 now")
	}},
	{"T2 a reader that gives its place to others loses its membership", func(e *env) {
		l := e.openTopics("s", func(b *store.Bounds) { b.MaxReaders = 1 })
		k, other := l.attach("r"), l.attach("q")
		l.join("a", whoever("r"), 1)
		l.join("a", whoever("q"), 1)
		k.detach()
		other.detach()
		l.attach("p")
		l.attach("r").memberOf()
		l.attach("q").memberOf("a@1 now")
	}},
	{"T2 a session's membership ends with the session", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		l.join("a", everybody, 1)
		l.join("b", whoever("r"), 1)
		e.end("s")
		e.allFail(memberSteps(l, k.Link), store.ErrNotFound)
		l = e.openLog("s")
		l.attach("r").memberOf()
	}},
	{"T2 a session's membership outlives all links", func(e *env) {
		l := e.openTopics("s", keptFor(e.brief()))
		k := l.attach("r")
		l.join("a", everybody, 1)
		k.acksTopic("a", 2)
		k.detach()
		e.pass(e.brief()/2, nil)
		l.attach("q").memberOf("a*@2 after")
	}},
	{"T2 the membership of one link is not that of the next with its reader", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		l.join("a", k.Link, 1)
		newer := l.attach("r")
		newer.speaks()
		k.over(store.ErrSuperseded)
		newer.memberOf()
	}},
	{"T2 links that nobody detaches take their memberships along", func(e *env) {
		l := e.openTopics("s", func(b *store.Bounds) { b.MaxLinks = 1 })
		for range 100 { // each ends the one before
			l.join("a", l.attach("r").Link, 1)
		}
		k := l.attach("r")
		k.memberOf()
		l.join("a", k.Link, 2)
		k.memberOf("a@2 now")
	}},
}

var memberMoves = []clause{
	{"I11 a session's memberships go along when it moves", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		l.join("a", everybody, 1)
		l.join("b", whoever("r"), 1)
		l.join("c", k.Link, 1)
		k.acksTopic("a", 3)
		e.move("s", "t", "", 0)
		e.allFail(memberSteps(l, k.Link), store.ErrMoved)
		e.again("t").attach("r").memberOf("a*@3 after (3)", "b@1 now")
	}},
	{"I12 an old handle joins nothing after the session has come back", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		e.move("s", "t", "", 0)
		e.move("t", "s", "", 0)
		e.allFail(memberSteps(l, k.Link), store.ErrMoved)
		e.allFail(memberSteps(e.again("s"), k.Link), store.ErrRenewed, "LeaveTopic", "Removals")
	}},
	{"T2 sessions that become one unite their memberships", func(e *env) {
		l, m := e.openTopics("s"), e.openTopics("t")
		k, other := l.attach("r"), m.attach("q")
		l.join("a", everybody, 1)
		l.join("c", whoever("r"), 1)
		l.join("d", k.Link, 1)
		m.join("b", everybody, 2)
		k.acksTopic("a", 4)
		v := other.version()
		e.move("s", "t", "", 0)
		e.again("t")
		other.memberOf("b*@2 now", "a*@4 after")
		if other.version() == v {
			e.Error("the version is the same")
		}
		e.allFail(memberSteps(l, k.Link), store.ErrMoved)
	}},
	{"T12 who joined again in the next epoch goes on there after a move", func(e *env) {
		for _, target := range []bool{false, true} {
			l := e.openTopics("s")
			l.join("a", everybody, 1)
			j := l.joining("a", everybody, 2)
			j.At.Epoch = 6
			l.joins(j)
			if target {
				e.openLog("t")
			}
			e.move("s", "t", "", 0)
			m := e.again("t")
			m.leave("a", everybody, "ended", 5)
			k := m.attach("r")
			k.memberOf("a*@6/2 now")
			m.leave("a", everybody, "ended", 6)
			k.memberOf("left a: ended")
			e.end("t")
		}
	}},
	{"T12 sessions that become one in one epoch do not go back to another one", func(e *env) {
		l, m := e.openTopics("s"), e.openTopics("t")
		l.join("a", everybody, 1)
		l.attach("r").acksTopics(pos("a", 6, 2))
		k := m.attach("q")
		j := m.joining("a", everybody, 3)
		j.At.Epoch = 6
		m.joins(j)
		e.move("s", "t", "", 0)
		k.memberOf("a*@6/2 after")
		e.again("t").leave("a", everybody, "ended", 6)
		k.memberOf("left a: ended")
	}},
	{"T2 the lower mark stays when sessions become one", func(e *env) {
		type half struct {
			at    uint64
			begin store.Begin
			acked uint64
		}
		const after, now, start = store.BeginAfter, store.BeginNow, store.BeginStart
		for _, tt := range []struct {
			name     string
			from, to half
			want     string
		}{
			{"both have acknowledged", half{1, now, 4}, half{1, now, 7}, "a*@4 after"},
			{"the other way round", half{1, now, 7}, half{1, now, 4}, "a*@4 after"},
			{"only the one that moves has", half{1, now, 7}, half{1, now, 0}, "a*@1 now"},
			{"only the one that stays has", half{1, now, 0}, half{1, now, 7}, "a*@1 now"},
			{"none has", half{2, now, 0}, half{5, now, 0}, "a*@2 now"},
			{"none has, the other way round", half{5, now, 0}, half{2, now, 0}, "a*@2 now"},
			{"one begins after a position", half{2, after, 0}, half{5, now, 0}, "a*@2 after"},
			{"one joined later than the other has come", half{5, now, 0}, half{1, now, 3}, "a*@3 after"},
			{"the one that moves begins at the start", half{9, start, 0}, half{1, now, 7}, "a*@9 start"},
			{"the one that stays begins at the start", half{1, now, 7}, half{9, start, 0}, "a*@9 start"},
			{"both begin at the start", half{8, start, 0}, half{9, start, 3}, "a*@8 start"},
		} {
			join := func(id string, h half) {
				l := e.openTopics(id)
				j := l.joining("a", everybody, h.at)
				j.Begin = h.begin
				l.joins(j)
				if h.acked > 0 {
					l.attach("r").acksTopic("a", h.acked)
				}
			}
			join("from "+tt.name, tt.from)
			join(tt.name, tt.to)
			e.move("from "+tt.name, tt.name, "", 0)
			e.again(tt.name).attach("new").memberOf(tt.want)
		}
	}},
}
