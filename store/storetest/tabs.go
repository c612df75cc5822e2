package storetest

import (
	"fmt"
)

var tabs = []clause{
	{"D8 a new reader starts at the mark", func(e *env) {
		l := e.openLog("a")
		l.add("a", "b", "c")
		k := l.attach("r").says("new at 0")
		k.read()
		k.acks(e.at(k.last, 2))
		l.attach("s").says("new at 2").reads("3:c")
	}},
	{"D8 the mark is the highest that any reader acknowledged", func(e *env) {
		l := e.openLog("a")
		a, b := l.attach("a"), l.attach("b")
		p := l.add("1", "2", "3")
		a.acks(e.at(p, 2))
		b.acks(e.at(p, 1))
		l.attach("c").says("new at 2").reads("3:3")
		l.attach("b").says("new at 1").reads("2:2 3:3")
		equal(e, "not acknowledged", undelivered(e.end("a")), "3:3")
	}},
	{"D8 a new plain reader starts after what any reader was sent", func(e *env) {
		l := e.openLog("a")
		l.add("a", "b", "c")
		k := l.attach("r")
		k.take(2 * text("a").Size())
		read := k.cursor
		l.plain("p").says(fmt.Sprintf("new at %d", read))
		k.read()
		l.plain("q").says("new at 3").reads("")
		l.attach("s").says("new at 0")
	}},
	{"D8 a plain reader before any was sent anything starts at the first", func(e *env) {
		l := e.openLog("a")
		l.add("a")
		l.plain("p").says("new at 0").reads("1:a")
		l.plain("q").says("new at 1").reads("")
	}},
	{"D8 two tabs acknowledge each for itself", func(e *env) {
		l := e.openLog("a")
		a, b := l.attach("a"), l.attach("b")
		l.add("1", "2")
		a.read()
		a.ack()
		b.reads("1:1 2:2")
		l.attach("b").says("new at 0").reads("1:1 2:2")
		l.attach("a").says("new at 2").reads("")
	}},
	{"X2 a duplicated tab goes on from where it was copied, and neither ends the other", func(e *env) {
		l := e.openLog("a")
		k := l.attach("tab")
		l.add("1", "2", "3")
		k.read()
		k.acks(e.at(k.last, 2))
		copied := e.at(k.last, 2)
		k.detach()
		a, b := l.resume("reloaded", copied).says("resumed at 2"), l.resume("copy", copied).says("resumed at 2")
		l.add("4")
		a.reads("3:3 4:4")
		a.ack()
		b.reads("3:3 4:4")
		b.ack()
		l.add("5")
		a.reads("5:5")
		b.reads("5:5")
	}},
	{"X2 a new page load does not acknowledge for the old one", func(e *env) {
		l := e.openLog("a", messages(2))
		old := l.attach("old")
		p := l.add("1", "2")
		l.resume("new", p)
		l.refuses("3")
		old.reads("1:1 2:2")
	}},
}
