package storetest

import "github.com/mirage-go/mirage/store"

var topicAcks = []clause{
	{"T5 the next link of a reader begins after what was acknowledged", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		l.join("a", whoever("r"), 3)
		l.join("b", everybody, 3)
		k.acksTopics(pos("a", 5, 4), pos("b", 5, 6))
		k.memberOf("a@4 after (4)", "b*@6 after (6)")
		k.detach()
		l.attach("r").memberOf("a@4 after (4)", "b*@6 after (6)")
	}},
	{"T5 a link's own membership says where it began", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		l.join("a", k.Link, 3)
		k.acksTopic("a", 4)
		k.memberOf("a@3 now (4)")
	}},
	{"T5 the mark of a session's membership is the highest that any reader acknowledged", func(e *env) {
		l := e.openTopics("s")
		k, other := l.attach("r"), l.attach("q")
		l.join("a", everybody, 3)
		k.acksTopic("a", 7)
		other.acksTopic("a", 5)
		l.attach("new").memberOf("a*@7 after")
	}},
	{"T5 each reader acknowledges for itself", func(e *env) {
		l := e.openTopics("s")
		k, other := l.attach("r"), l.attach("q")
		l.join("a", everybody, 3)
		k.acksTopic("a", 7)
		equal(e, "acknowledged", k.joinedIn("a").Acked, pos("a", 5, 7))
		equal(e, "acknowledged by the other", other.joinedIn("a").Acked, store.TopicPosition{})
		other.acksTopic("a", 5)
		equal(e, "acknowledged by the other", other.joinedIn("a").Acked, pos("a", 5, 5))
		equal(e, "acknowledged", k.joinedIn("a").Acked, pos("a", 5, 7))
	}},
	{"T5 a lower position changes nothing, one of another epoch does", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		l.join("a", whoever("r"), 3)
		k.acksTopic("a", 7)
		k.acksTopic("a", 5)
		k.memberOf("a@7 after (7)")
		k.acksTopics(pos("a", 6, 1))
		k.memberOf("a@6/1 after (6/1)")
	}},
	{"T5 nobody acknowledges what he has not joined", func(e *env) {
		l := e.openTopics("s")
		k, other := l.attach("r"), l.attach("q")
		k.acksTopic("a", 1)
		l.join("a", whoever("r"), 3)
		other.acksTopic("a", 7)
		k.acksTopic("b", 7)
		k.acksTopics()
		k.memberOf("a@3 now")
		other.memberOf()
	}},
	{"T5 an acknowledgement counts on an older link", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		l.join("a", whoever("r"), 3)
		newer := l.attach("r")
		newer.speaks()
		k.acksTopic("a", 5)
		newer.memberOf("a@5 after (5)")
		k.detach()
		k.acksTopic("a", 6)
		newer.memberOf("a@6 after (6)")
	}},
	{"T5 acknowledgements are refused as Ack is", func(e *env) {
		l := e.openTopics("s")
		k := l.attach("r")
		at := []store.TopicPosition{pos("a", 5, 1)}
		e.is("of nobody", l.AckTopics(ctx, whoever("nobody"), at), store.ErrNotFound)
		never := store.LinkRef{Reader: "r", Number: 99}
		e.is("on a link that never was", l.AckTopics(ctx, never, at), store.ErrNotFound)
		e.is("Renew", l.Renew(ctx), nil)
		e.is("after Renew", l.AckTopics(ctx, k.Link, at), store.ErrRenewed)
	}},
	{"T5 acknowledging a topic keeps the link's place, as Ack does", func(e *env) {
		if !e.bubble {
			return // it is about minutes
		}
		l := e.openTopics("s", func(b *store.Bounds) { b.MaxLinks, b.Quiet = 1, e.brief() })
		k := l.attach("r")
		l.join("a", k.Link, 1)
		e.pass(e.brief()*3/4, func() { k.read() })
		k.acksTopic("a", 2)
		e.pass(e.brief()*3/4, func() { k.read() })
		_, err := l.Attach(ctx, store.Claim{Reader: "q"})
		e.is("Attach", err, store.ErrCrowded)
	}},
}
