package storetest

import (
	"strings"
	"time"

	"github.com/mirage-go/mirage/store"
)

// asked returns the Asked of a request whose value was signed just now.
func (e *env) asked() store.Asked { now := e.store.Now(); return store.Asked{Signed: now, Came: now} }

// stands returns the standing of id.
func (e *env) stands(id, client string, a store.Asked) store.Standing {
	e.Helper()
	is, err := e.store.Resolve(ctx, id, a, client)
	if err != nil {
		e.Fatalf("Resolve(%q): %v", id, err)
	}
	return is
}

// resolves fails the test unless the holder of id continues under now.
func (e *env) resolves(id, client, now string) {
	e.Helper()
	if is := e.stands(id, client, e.asked()); is.State != store.StateGood || is.ID != now {
		e.Fatalf("Resolve(%q) for %q = %+v; want %q", id, client, is, now)
	}
}

// refused reports whether values of id that were signed at that time are refused.
func (e *env) refused(id string, signed time.Time) bool {
	e.Helper()
	return e.stands(id, "", store.Asked{Signed: signed, Came: e.store.Now()}).State != store.StateGood
}

var ids = []clause{
	{"I6 a session moves with its messages, and positions go on", func(e *env) {
		l := e.openLog("a", messages(3))
		k := l.attach("r")
		p := l.add("1", "2")
		k.read()
		k.acks(e.at(p, 1))
		e.move("a", "b", "c", time.Hour)
		k.over(store.ErrMoved)
		e.missing("a")
		l = e.again("b")
		k = l.resume("r", e.at(p, 1)).says("resumed at 1")
		equal(e, "previous", k.Previous, "a")
		equal(e, "forgotten", k.Fresh, false)
		k.reads("2:2")
		l.add("3", "4")
		l.refuses("5")
		k.reads("3:3 4:4")
		ended := e.end("b")
		equal(e, "ended under", ended.ID, "b")
		equal(e, "not acknowledged", undelivered(ended), "2:2 3:3 4:4")
	}},
	{"I6 the previous id is told while it is remembered", func(e *env) {
		e.openLog("a")
		e.move("a", "b", "c", e.brief())
		l := e.again("b")
		equal(e, "previous", l.attach("r").Previous, "a")
		equal(e, "previous for the next", l.attach("s").Previous, "a")
		e.pass(2*e.brief(), nil)
		equal(e, "previous in the end", l.attach("t").Previous, "")
	}},
	{"I6 a move lets its readers leave the old id, and join the new one", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		gone := l.attach("gone")
		if _, _, err := l.Quit(ctx, gone.Link); err != nil {
			e.Fatal(err)
		}
		away := l.attach("away")
		was := away.detach()
		l.plain("p")
		equal(e, "left", e.leaving("a", "b"), "r away p(plain)")
		k.over(store.ErrMoved)
		left := k.detach()
		l = e.again("b")
		equal(e, "told again", l.leaves("r", left), false)
		equal(e, "told again", l.leaves("away", was), false)
		for _, name := range []string{"r", "away"} {
			k = l.attach(name)
			equal(e, "joined", k.Joined, true)
			equal(e, "fresh", k.Fresh, false)
		}
		equal(e, "joined again", l.attach("r").Joined, false)
		equal(e, "told at last", l.leaves("away", k.detach()), true)
		equal(e, "left", e.leaving("b", "c"), "r")
	}},
	{"I6 a session that is joined to another lets its readers leave, too", func(e *env) {
		e.openLog("b").attach("theirs")
		e.openLog("a").attach("r")
		equal(e, "left", e.leaving("a", "b"), "r")
		l := e.again("b")
		k := l.attach("r")
		equal(e, "joined", k.Joined, true)
		equal(e, "previous", k.Previous, "a")
		equal(e, "theirs joined", l.attach("theirs").Joined, false)
		equal(e, "left", e.leaving("b", "c"), "theirs r")
	}},
	{"D7 a link that was superseded before a move ends as quietly as ever", func(e *env) {
		l := e.openLog("a")
		older, newer := l.attach("r"), l.attach("r")
		newer.speaks()
		e.move("a", "b", "", 0)
		newer.over(store.ErrMoved)
		older.over(store.ErrSuperseded)
	}},
	{"D6 a moved session without links expires under its new id", func(e *env) {
		l := e.openLog("a", keptFor(e.brief()))
		k := l.attach("r")
		l.add("x")
		e.move("a", "b", "", 0)
		k.detach()
		ended := e.expired()
		equal(e, "sessions ended", len(ended), 1)
		equal(e, "id", ended[0].ID, "b")
		equal(e, "what nobody has", undelivered(ended[0]), "1:x")
		e.missing("b")
	}},
	{"I6 a session that is there gets what is above the moved one's mark", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		p := l.add("1", "2", "3")
		k.read()
		k.acks(e.at(p, 1))
		to := e.openLog("b")
		other := to.attach("s")
		to.add("x")
		e.move("a", "b", "", 0)
		k.over(store.ErrMoved)
		_, err := l.Append(ctx, text("y"), "")
		e.is("Append to the moved session", err, store.ErrMoved)
		e.missing("a")
		other.reads("1:x 2:2 3:3")
		to.resume("r", e.at(p, 1)).says("moved at 0, lost 2-?").reads("1:x 2:2 3:3")
	}},
	{"I6 a session that is there gets as much as there is room for", func(e *env) {
		e.openLog("a").add("1", "2", "3")
		to := e.openLog("b", messages(3))
		k := to.attach("s")
		to.add("x")
		e.move("a", "b", "", 0)
		k.reads("1:x 2:1 3:2")
		to.refuses("y")
	}},
	{"D8 what was for one reader of a moved session is for no other", func(e *env) {
		l := e.openLog("a")
		l.attach("r")
		l.addTo("r", "secret")
		to := e.openLog("b")
		k := to.attach("s")
		e.move("a", "b", "", 0)
		to.add("end")
		if got := k.read(); got != "1:- 2:end" && got != "1:end" {
			e.Errorf("another reader reads %q", got)
		}
		if got := to.attach("r").read(); got != "1:secret 2:end" && got != "1:end" {
			e.Errorf("the reader that it was for reads %q", got)
		}
		for _, entry := range e.end("b").Messages {
			if string(entry.Message.Data) == "secret" {
				equal(e, "whom it was for", entry.Reader, "r")
			}
		}
	}},
	{"I6 without a session there is nothing to move but the id", func(e *env) {
		e.move("a", "b", "c", time.Hour)
		e.missing("a")
		e.missing("b")
		e.resolves("a", "c", "b")
	}},
	{"I6 the old id leads to the new one for the same client alone", func(e *env) {
		e.openLog("a")
		e.move("a", "b", "c", time.Hour)
		e.resolves("a", "c", "b")
		e.resolves("a", "c", "b")
		e.resolves("a", "d", "a")
		e.resolves("a", "", "a")
	}},
	{"I6 the old id leads nowhere once the new one was presented", func(e *env) {
		e.openLog("a")
		e.move("a", "b", "c", time.Hour)
		e.resolves("b", "whoever", "b")
		e.resolves("a", "c", "a")
	}},
	{"I6 the old id leads nowhere after its time", func(e *env) {
		e.openLog("a")
		e.move("a", "b", "c", e.brief())
		e.resolves("a", "c", "b")
		e.pass(e.brief()+e.brief()/10, nil)
		e.resolves("a", "c", "a")
	}},
	{"I6 a move without a client leads nobody anywhere", func(e *env) {
		e.openLog("a")
		e.move("a", "b", "", time.Hour)
		e.resolves("a", "", "a")
	}},
	{"I6 presenting an id ends every way that led to it", func(e *env) {
		e.move("a1", "b", "c", time.Hour)
		e.move("a2", "b", "d", time.Hour)
		e.resolves("a1", "c", "b")
		e.resolves("b", "", "b")
		e.resolves("a1", "c", "a1")
		e.resolves("a2", "d", "a2")
	}},
	{"I6 presenting an id leaves a later move of the old one alone", func(e *env) {
		e.move("a", "b", "c", time.Hour)
		e.move("a", "b2", "c", time.Hour)
		e.resolves("b", "", "b")
		e.resolves("a", "c", "b2")
	}},
	{"I6 an id that moved twice leads to where it went in the end", func(e *env) {
		e.openLog("a").add("x")
		e.move("a", "b", "c", time.Hour)
		e.move("b", "d", "c", time.Hour)
		e.resolves("a", "c", "d")
		e.resolves("a", "other", "a")
	}},
	{"I6 presenting the last of several ids ends every way that led to it", func(e *env) {
		e.openLog("a")
		e.move("a", "b", "c", time.Hour)
		e.move("b", "d", "c", time.Hour)
		e.resolves("d", "c", "d")
		e.resolves("a", "c", "a")
		e.resolves("b", "c", "b")
	}},
	{"I6 an id that moved away and back leads to itself", func(e *env) {
		e.openLog("a").add("x")
		e.move("a", "b", "c", time.Hour)
		e.move("b", "a", "c", time.Hour)
		e.resolves("a", "c", "a")
		e.again("a")
	}},
	{"I6 a move of an id to itself is none", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.add("x")
		e.move("a", "a", "c", time.Hour)
		e.again("a")
		k.reads("1:x")
		e.resolves("a", "c", "a")
	}},
	{"I11 revoked values are refused, later ones are not", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.add("x")
		signed := e.store.Now()
		equal(e, "refused at first", e.refused("a", signed), false)
		ended, err := e.store.End(ctx, "a", time.Hour)
		e.is("End", err, nil)
		equal(e, "what nobody has", undelivered(ended), "1:x")
		k.over(store.ErrRevoked)
		_, err = l.Append(ctx, text("x"), "")
		e.is("Append", err, store.ErrRevoked)
		equal(e, "refused, signed before", e.refused("a", signed.Add(-time.Hour)), true)
		equal(e, "refused, signed just now", e.refused("a", signed), true)
		e.pass(10*time.Millisecond, nil)
		equal(e, "refused, signed ten milliseconds later", e.refused("a", e.store.Now()), false)
		equal(e, "another id refused", e.refused("b", signed), false)
		e.missing("a")
		e.openLog("a").attach("r") // a request that is valid begins again
	}},
	{"I11 an id without a session can be revoked", func(e *env) {
		signed := e.store.Now()
		_, err := e.store.End(ctx, "a", time.Hour)
		e.is("End", err, store.ErrNotFound)
		equal(e, "refused", e.refused("a", signed), true)
	}},
	{"I11 End without refuse revokes nothing", func(e *env) {
		k := e.openLog("a").attach("r")
		e.end("a")
		k.over(store.ErrNotFound)
		equal(e, "refused", e.refused("a", e.store.Now()), false)
	}},
	{"I11 a revocation ends after its time", func(e *env) {
		signed := e.store.Now()
		_, err := e.store.End(ctx, "a", e.brief())
		e.is("End", err, store.ErrNotFound)
		if !e.refused("a", signed) && e.store.Now().Sub(signed) < e.brief() { // a slow machine may be too late
			e.Error("not refused")
		}
		e.pass(e.brief()+e.brief()/10, nil)
		equal(e, "refused in the end", e.refused("a", signed), false)
	}},
	{"I11 a second revocation does not shorten the first", func(e *env) {
		signed := e.store.Now()
		_, err := e.store.End(ctx, "a", time.Hour)
		e.is("End", err, store.ErrNotFound)
		_, err = e.store.End(ctx, "a", e.brief())
		e.is("End", err, store.ErrNotFound)
		e.pass(e.brief()+e.brief()/10, nil)
		equal(e, "refused", e.refused("a", signed), true)
	}},
	{"I11 a revoked id is refused under its old names, too", func(e *env) {
		e.openLog("a")
		e.move("a", "b", "c", time.Hour)
		_, err := e.store.End(ctx, "b", time.Hour)
		e.is("End", err, nil)
		e.resolves("a", "c", "a")
	}},
	{"I11 Rotate: moved, then revoked, the old id is refused and the session lives", func(e *env) {
		l := e.openLog("a")
		p := l.add("x")
		signed := e.store.Now()
		e.move("a", "b", "", time.Hour)
		_, err := e.store.End(ctx, "a", time.Hour)
		e.is("End", err, store.ErrNotFound)
		equal(e, "old id refused", e.refused("a", signed), true)
		equal(e, "new id refused", e.refused("b", signed), false)
		e.again("b").resume("r", e.at(p, 0)).says("resumed at 0").reads("1:x")
	}},
}

// leaving moves a session, and describes the readers that left it.
func (e *env) leaving(from, to string) string {
	e.Helper()
	left, err := e.store.Move(ctx, from, to, store.Moving{Keep: time.Hour, Settle: store.Settle})
	e.is("Move", err, nil)
	var out []string
	for _, l := range left {
		equal(e, "id", l.ID, from)
		if l.Plain {
			l.Reader += "(plain)"
		}
		out = append(out, l.Reader)
	}
	return strings.Join(out, " ")
}
