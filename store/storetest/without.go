package storetest

import (
	"time"

	"github.com/mirage-go/mirage/store"
)

// These clauses are for a store without messages that supersede or expire.
var withoutKeys = []clause{
	{"M1, M3 a store without them refuses Key and TTL, and appends nothing", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		for _, m := range []store.Message{
			{Key: "k"}, {TTL: time.Hour}, {TTL: 1}, {Event: "e", Key: "k", TTL: time.Hour, Data: []byte("x")},
		} {
			for _, reader := range []string{"", "r"} {
				_, err := l.Append(ctx, &m, reader)
				e.is("Append with Key or TTL", err, store.ErrUnsupported)
			}
		}
		k.reads("")
		equal(e, "the next seq", l.add("a").Seq, 1)
		k.reads("1:a")
		k.ack()
		equal(e, "what it holds", undelivered(e.end("a")), "")
	}},
	{"M1, M3 a store without them refuses Key and TTL in a broadcast", func(e *env) {
		e.openLog("a")
		for log, err := range e.store.Logs(ctx) {
			e.is("Logs", err, nil)
			_, err = log.Append(ctx, &store.Message{Key: "k"}, "")
			e.is("Append with Key", err, store.ErrUnsupported)
		}
		equal(e, "what it holds", undelivered(e.end("a")), "")
	}},
}

// These clauses are for a store without topics.
var withoutTopics = []clause{
	{"T11 a store without topics says so", func(e *env) {
		if _, ok := e.store.(store.TopicStore); ok {
			e.Error("it has topics")
		}

		l := e.openLog("a")
		k := l.attach("r")
		for _, link := range []store.LinkRef{{}, {Reader: "r"}, k.Link} {
			e.is("JoinTopic", l.JoinTopic(ctx, store.TopicJoin{Topic: "t", Link: link, Max: 8}), store.ErrUnsupported)
			e.is("LeaveTopic", l.LeaveTopic(ctx, store.TopicLeave{Topic: "t", Link: link}), store.ErrUnsupported)
		}
		e.is("TopicTold", l.TopicTold(ctx, k.Link, "t", store.TopicTold{Asked: 1}), store.ErrUnsupported)

		topics, err := l.Topics(ctx, k.Link)
		e.is("Topics", err, nil)
		if topics.Version != 0 || len(topics.Joined) > 0 || len(topics.Notices) > 0 {
			e.Errorf("the link has topics: %+v", topics)
		}
		k.reads("")
		equal(e, "version of the memberships", k.tail.Topics, 0)
	}},
}
