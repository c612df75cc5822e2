package storetest

import (
	"time"

	"github.com/mirage-go/mirage/store"
)

var topicEpochs = []clause{
	{"T1 the numbers of a topic count up from 1", func(e *env) {
		a, b := e.topic("a"), e.topic("b")
		first, second, other := a.publish("1"), a.put(sayKey("k", "2")), b.publish("1")
		equal(e, "topic", first.Topic, store.TopicHash("a"))
		if first.Epoch == 0 || first.Epoch >= store.TopicEpochs {
			e.Errorf("the epoch is %d", first.Epoch)
		}
		equal(e, "first", first.Seq, 1)
		equal(e, "second", second, store.TopicPosition{Topic: first.Topic, Epoch: first.Epoch, Seq: 2})
		equal(e, "pieces count, too", a.put(piece("g", ""), last("g", "")).Seq, 4)
		equal(e, "another topic", other.Seq, 1)
		equal(e, "its name", b.Name(), "b")
		equal(e, "the same position", a.position().Seq, 4)
	}},
	{"T1 handles of one name are one topic", func(e *env) {
		a, again := e.topic("a"), e.topic("a")
		p := a.publish("1")
		equal(e, "position", again.position(), p)
		again.start().reads("1:1")
		equal(e, "the next", again.publish("2").Seq, 2)
		a.after(p).reads("2:2")
	}},
	{"T1 Position makes a topic begin", func(e *env) {
		a := e.topic("a")
		p := a.position()
		equal(e, "number", p.Seq, 0)
		equal(e, "again", a.position(), p)
		begun, err := a.Begin(ctx)
		e.is("Begin", err, nil)
		equal(e, "Begin", begun, p)
		a.publish("1")
		a.after(p).reads("1:1")
	}},
	{"T1 Begin makes a topic begin", func(e *env) {
		a := e.topic("a")
		p, err := a.Begin(ctx)
		e.is("Begin", err, nil)
		equal(e, "Position", a.position(), p)
	}},
	{"T1 a topic outlives its last use by Age", func(e *env) {
		a := e.topic("a", aging(e.brief()))
		p := a.publish("1")
		r := a.now()
		for what, use := range map[string]func(){
			"Publish":  func() { a.publish("x") },
			"Position": func() { a.position() },
			"Begin":    func() { _, _ = a.Begin(ctx) },
			"Read":     func() { r.read() },
			"Enter": func() {
				_, err := a.Enter(ctx, "s", 1, nil)
				e.is("Enter", err, nil)
				e.is("Exit", a.Exit(ctx, "s", 1), nil)
			},
		} {
			use()
			used := time.Now()
			e.pass(e.brief()*2/3, e.expire)
			epoch := a.position().Epoch
			if time.Since(used) < e.brief() { // the machine may be busy
				equal(e, "epoch after "+what, epoch, p.Epoch)
			}
			p.Epoch = epoch
		}
	}},
	{"T1 a topic that nobody uses is forgotten", func(e *env) {
		a := e.topic("a", aging(e.brief()))
		p := a.publish("1", "2")
		e.pass(2*e.brief(), e.expire)
		r := a.after(p)
		now := a.position()
		if now.Epoch == p.Epoch || now.Epoch == 0 || now.Seq != 0 {
			e.Errorf("%v after %v", now, p)
		}
		a.publish("new")
		r.reads("restarted 3-? 1:new")
	}},
	{"T1 another topic's use is none", func(e *env) {
		a, b := e.topic("a", aging(e.brief())), e.topic("b", aging(e.brief()))
		p, q := a.publish("1"), b.publish("1")
		for range 4 {
			e.pass(e.brief()/2, e.expire)
			used := time.Now()
			if got := b.position(); time.Since(used) < e.brief()/2 {
				equal(e, "epoch of the one that is used", got.Epoch, q.Epoch)
			}
		}
		if got := a.position(); got.Epoch == p.Epoch {
			e.Errorf("the other one is still there: %v", got)
		}
	}},
}

var topicBounding = []clause{
	{"T1 beyond MaxMessages the oldest leaves, and readers are told", func(e *env) {
		a := e.topic("a", retaining(2))
		p := a.position()
		a.publish("1", "2")
		a.after(p).reads("1:1 2:2")
		a.publish("3", "4", "5")
		a.after(p).reads("gap 1-3 4:4 5:5")
		a.start().reads("4:4 5:5")
	}},
	{"T1 beyond MaxBytes the oldest leave, and no more than necessary", func(e *env) {
		size := int64(text("1").Size())
		a := e.topic("a", func(b *store.TopicBounds) { b.MaxBytes = 3 * size })
		a.publish("1", "2", "3")
		a.start().reads("1:1 2:2 3:3")
		a.publish("4")
		a.start().reads("2:2 3:3 4:4")
		big := make([]byte, size)
		a.put(store.Publication{Message: &store.Message{Data: big}})
		equal(e, "messages beside a large one", len(a.start().read()), len("4:4 5:")+len(big))
	}},
	{"T1 the newest message alone may be larger than MaxBytes", func(e *env) {
		a := e.topic("a", func(b *store.TopicBounds) { b.MaxBytes = 10 })
		a.publish("1", "2")
		a.start().reads("2:2")
	}},
	{"T1 a growing message leaves only if there is no other", func(e *env) {
		a := e.topic("a", retaining(2))
		a.put(piece("g", "a"), say("1"), say("2"), say("3"))
		a.start().reads("-:g+0:a 4:3")
		a.put(piece("h", "b"))
		a.start().reads("-:g+0:a -:h+0:b")
		a.put(piece("g", "c"), say("4")) // h did not grow for longer
		a.start().reads("-:g+0:ac 7:4")
		a.put(last("g", "d"), say("5"))
		a.start().reads("-:g+0:acd! 9:5")
		a.publish("6")
		a.start().reads("9:5 10:6")
	}},
	{"T1 messages leave when they are older than Age, and readers are told", func(e *env) {
		a := e.topic("a", aging(e.brief()))
		p := a.position()
		a.publish("1")
		e.pass(e.brief()*3/4, e.expire)
		if young := time.Now(); a.position() != p {
			a.publish("2")
			e.pass(e.brief()/2, e.expire)
			if got := a.after(p).read(); time.Since(young) < e.brief() {
				equal(e, "what is left", got, "gap 1-1 2:2")
			}
		}
	}},
}
