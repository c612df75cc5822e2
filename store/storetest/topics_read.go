package storetest

import "github.com/mirage-go/mirage/store"

var topicReads = []clause{
	{"T4 a reader begins after its position", func(e *env) {
		a := e.topic("a")
		p := a.publish("1")
		a.publish("2", "3")
		r := a.after(p)
		r.reads("2:2 3:3")
		equal(e, "the cursor", r.At, a.position())
		r.reads("")
		a.publish("4")
		r.reads("4:4")
	}},
	{"T4 a reader begins now", func(e *env) {
		a := e.topic("a")
		a.put(say("1"), piece("g", "ab"), last("h", "c"), piece("g", "cd"))
		r := a.now()
		a.publish("2")
		r.reads("-:g+0:abcd 5:2")
		equal(e, "then", r.Begin, store.BeginAfter)
		a.put(piece("g", "ef"))
		r.reads("6:g+4:ef")
	}},
	{"T4 a reader begins at the start", func(e *env) {
		a := e.topic("a", retaining(4))
		a.put(say("left"), say("1"), piece("g", "ab"), last("h", "c"), piece("g", "cd"), say("2"))
		r := a.start()
		r.reads("-:g+0:abcd 2:1 4:h+0:c! 6:2")
		a.put(piece("g", "ef"))
		r.reads("7:g+4:ef")
	}},
	{"T4 the zero cursor begins at the start", func(e *env) {
		a := e.topic("a")
		r := a.after(store.TopicPosition{})
		r.reads("")
		a.put(piece("g", "ab"), say("1"))
		a.after(store.TopicPosition{}).reads("-:g+0:ab 2:1")
		r.reads("1:g+0:ab 2:1")
	}},
	{"T4 a position of another epoch begins at the start, and the reader is told", func(e *env) {
		a := e.topic("a")
		old := a.publish("1", "2")
		a.end()
		a.publish("lost")
		a.end()
		a.put(say("3"), piece("g", "ab"))
		r := a.after(old)
		r.reads("restarted 3-? -:g+0:ab 1:3")
		equal(e, "it has ended", r.tail.Ended, false)
		equal(e, "the cursor", r.At, a.position())
	}},
	{"T4 a position beyond the last message is told", func(e *env) {
		a := e.topic("a")
		a.publish("1", "2")
		r := a.after(a.at(7))
		r.reads("ahead 3-7")
		a.publish("3")
		r.reads("3:3")
	}},
	{"T5 a reader that is behind is told of the gap, and gets growing messages whole", func(e *env) {
		a := e.topic("a", retaining(3))
		p := a.position()
		a.put(say("1"), piece("g", "ab"), say("2"), piece("h", "c"), piece("g", "cd"), last("h", "d"), say("3"))
		a.after(p).reads("gap 1-3 -:g+0:abcd 6:h+0:cd! 7:3")
		a.after(a.at(3)).reads("4:h+0:cd! 5:g+2:cd 7:3")
	}},
	{"T5 a message that is complete comes whole if the gap took a part of it", func(e *env) {
		a := e.topic("a", retaining(2))
		p := a.position()
		a.put(piece("g", "ab"), say("1"), last("g", "cd"), say("2"))
		a.after(p).reads("gap 1-2 -:g+0:abcd! 4:2")
		a.start().reads("-:g+0:abcd! 4:2")
		a.after(a.at(2)).reads("3:g+2:cd! 4:2")
	}},
	{"T5 a reader may fall behind again and again", func(e *env) {
		a := e.topic("a", retaining(1))
		r := a.now()
		a.publish("1", "2")
		r.reads("gap 1-1 2:2")
		a.publish("3")
		r.reads("3:3")
		a.publish("4", "5", "6")
		r.reads("gap 4-5 6:6")
	}},
	{"T3 Read stops before the room is full, but gives one entry", func(e *env) {
		a := e.topic("a")
		size := text("1").Size()
		r := a.now()
		a.publish("1", "2", "3", "4")
		r.takes(1, "1:1", true)
		r.takes(2*size, "2:2 3:3", true)
		r.takes(0, "4:4", false)
	}},
	{"T3 Read appends to what is there", func(e *env) {
		a := e.topic("a")
		r := a.now()
		a.publish("1", "2")
		dst := make([]store.TopicEntry, 1, 8)
		dst, _, err := a.Read(ctx, &r.TopicCursor, 1, dst)
		e.is("Read", err, nil)
		dst, tail, err := a.Read(ctx, &r.TopicCursor, 1, dst)
		e.is("Read", err, nil)
		if len(dst) != 3 || dst[1].Seq != 1 || dst[2].Seq != 2 || tail != (store.TopicTail{}) {
			e.Errorf("%+v, %+v", dst, tail)
		}
	}},
	{"T3 readers do not affect each other, nor what is retained", func(e *env) {
		a := e.topic("a")
		p := a.position()
		a.publish("1", "2")
		r, s := a.after(p), a.after(p)
		r.reads("1:1 2:2")
		s.takes(1, "1:1", true)
		a.publish("3")
		r.reads("3:3")
		s.reads("2:2 3:3")
		a.after(p).reads("1:1 2:2 3:3")
	}},
}
