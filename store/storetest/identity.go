package storetest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/mirage-go/mirage/store"
)

// rotate moves a session as Rotate does, and returns the Asked of an older request.
func (e *env) rotate(from, to string) (before store.Asked) {
	e.Helper()
	before = e.asked()
	_, err := e.store.Move(ctx, from, to, store.Moving{
		Asked: e.later(), Keep: time.Hour, Settle: store.Settle, Refuse: time.Hour,
	})
	e.is("Move", err, nil)
	return before
}

// later returns an Asked that is certainly later than earlier ones.
func (e *env) later() store.Asked {
	e.pass(5*time.Millisecond, nil)
	return e.asked()
}

// revoke revokes an id.
func (e *env) revoke(id string) {
	e.Helper()
	if _, err := e.store.End(ctx, id, time.Hour); err != nil {
		e.is("End", err, store.ErrNotFound)
	}
}

// opens is Open with an Asked. It returns the error alone.
func (e *env) opens(id string, a store.Asked, create bool) error {
	_, _, err := e.store.Open(ctx, id, a, create, bounds())
	return err
}

// mover is one way to move the session "a" to another id.
type mover struct {
	name string
	to   string // the id under which the session continues
	move func(e *env)
}

var movers = []mover{
	{"replaced", "b", func(e *env) { e.move("a", "b", "", time.Hour) }},
	{"rotated", "b", func(e *env) { e.rotate("a", "b") }},
	{"to b and back", "a", func(e *env) { e.move("a", "b", "", time.Hour); e.move("b", "a", "", time.Hour) }},
	{"twice", "c", func(e *env) { e.rotate("a", "b"); e.rotate("b", "c") }},
	{"joined to another", "b", func(e *env) { e.openLog("b").attach("s"); e.move("a", "b", "", time.Hour) }},
}

var identity = []clause{
	{"I12 no step by a handle from before a Move", func(e *env) {
		for _, m := range movers {
			l := e.openLog("a")
			k := l.attach("r")
			p := l.add("1")
			parked := l.attach("poll")
			m.move(e)
			old := l.Log
			steps := map[string]func() error{
				"Append":    func() error { _, err := old.Append(ctx, text("x"), ""); return err },
				"Append to": func() error { _, err := old.Append(ctx, text("x"), "r"); return err },
				"Attach": func() error {
					_, err := old.Attach(ctx, store.Claim{Reader: "q", Asked: e.asked()})
					return err
				},
				"Attach on": func() error { _, err := old.Attach(ctx, goOn(parked)); return err },
				"Read":      func() error { _, _, err := old.Read(ctx, k.Link, 0, 1<<20, nil); return err },
				"Ack":       func() error { return old.Ack(ctx, k.Link, p) },
				"Begin":     func() error { _, _, err := old.Begin(ctx, k.Link, "w", 1, 1, lease); return err },
				"Quit":      func() error { _, _, err := old.Quit(ctx, k.Link); return err },
				"Renew":     func() error { return old.Renew(ctx) },
			}
			for name, step := range steps {
				e.is(m.name+": "+name, step(), store.ErrMoved)
			}
			l = e.again(m.to)
			if old.Handle() == l.Handle() {
				e.Errorf("%s: the handle before and after it is %v", m.name, l.Handle())
			}
			if l.tries(goOn(parked)) == nil {
				e.Errorf("%s: a link from before it goes on under the new id", m.name)
			}
			got := undelivered(e.end(m.to))
			equal(e, m.name+": what is in it", got, "1:1")
		}
	}},
	{"I12 no step by a link from before a Move, though the id comes back", func(e *env) {
		l := e.openLog("a")
		gone, here := l.attach("r"), l.attach("s")
		p := l.add("1")
		gone.detach()
		e.rotate("a", "b")
		e.move("b", "a", "", time.Hour)
		l = e.again("a")
		for name, k := range map[string]*link{"a link that has ended": gone, "a link that has not": here} {
			_, _, begun := l.Begin(ctx, k.Link, "w", 1, 1, lease)
			e.is(name+": Begin", begun, store.ErrRenewed)
			e.is(name+": Ack", l.Ack(ctx, k.Link, p), store.ErrRenewed)
			_, _, quit := l.Quit(ctx, k.Link)
			e.is(name+": Quit", quit, store.ErrRenewed)
			if l.tries(goOn(k)) == nil {
				e.Errorf("%s goes on", name)
			}
		}
		l.begins("w", 1, 1, store.TurnDeliver, 0)
	}},
	{"I11 who logged out, and in again as somebody else, has lost nothing", func(e *env) {
		l := e.openLog("a")
		k := l.attach("tab")
		p := l.add("1", "2")
		k.reads("1:1 2:2")
		k.acks(e.at(p, 1))
		e.revoke("a")
		l = e.openLog("b")
		next := l.resume("tab", p).says("new at 0")
		equal(e, "fresh", next.Fresh, true)
		l = e.openLog("a") // under the same id: it may have lost what was sent to it
		l.resume("tab", p).says("expired at 0, lost 3-?")
	}},
	{"I12 what was begun by a handle from before a Move ends", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		_, _, err := l.Begin(ctx, k.Link, "w", 1, 1, lease)
		e.is("Begin", err, nil)
		e.rotate("a", "b")
		l.commits("w", 1, true)
		left := k.detach()
		equal(e, "told, though it left by the move", l.leaves("r", left), false)
		k = e.again("b").attach("r")
		equal(e, "told", e.again("b").leaves("r", k.detach()), true)
		e.again("b").begins("w", 1, 1, store.TurnDone, 1)
	}},
	{"I13 Open, Attach and Move on a value from before, at and after the revocation", func(e *env) {
		before := e.asked()
		handle := e.openLog("a")
		e.revoke("a")
		after := e.later()
		for _, create := range []bool{false, true} {
			e.is("Open before", e.opens("a", before, create), store.ErrRevoked)
		}
		e.is("Open after", e.opens("a", after, false), store.ErrNotFound)
		e.is("Attach by an old handle", handle.tries(store.Claim{Reader: "r", Asked: before}), store.ErrRevoked)
		e.is("Move before", e.moves(ctx, "a", "b", store.Moving{Asked: before, Settle: store.Settle}), store.ErrRevoked)

		// Its holder begins again. A client that presents an old value does not join.
		e.is("Open after", e.opens("a", after, true), nil)
		l := e.again("a")
		for _, create := range []bool{false, true} {
			e.is("Open before", e.opens("a", before, create), store.ErrRevoked)
		}
		e.is("Attach before", l.tries(store.Claim{Reader: "r", Asked: before}), store.ErrRevoked)
		e.is("Move before", e.moves(ctx, "a", "b", store.Moving{Asked: before, Settle: store.Settle}), store.ErrRevoked)
		e.again("a")
		e.is("Attach after", l.tries(store.Claim{Reader: "r", Asked: after}), nil)
	}},
	{"I13 what is signed with Now before End is refused, and after it not", func(e *env) {
		for range 100 {
			before := e.asked()
			e.revoke("a")
			after := e.asked()
			equal(e, "signed before is refused", e.refused("a", before.Signed), true)
			equal(e, "signed after is refused", e.refused("a", after.Signed), false)
		}
	}},
	{"I13 a Move to an id that was revoked since the request came changes nothing", func(e *env) {
		l := e.openLog("a")
		l.add("x")
		came := e.asked()
		e.revoke("b")
		e.is("Move", e.moves(ctx, "a", "b", store.Moving{Asked: came, Settle: store.Settle}), store.ErrRevoked)
		e.missing("b")
		l.add("y")
		e.is("Move later", e.moves(ctx, "a", "b", store.Moving{Asked: e.later(), Settle: store.Settle}), nil)
		equal(e, "in it", undelivered(e.end("b")), "1:x 2:y")
	}},
	{"I13 values of the new id from before its revocation do not count after a Move", func(e *env) {
		stolen := e.asked()
		e.revoke("b")
		e.openLog("a")
		asked := e.later()
		e.is("Move", e.moves(ctx, "a", "b", store.Moving{Asked: asked, Settle: store.Settle}), nil)
		l := e.again("b")
		e.is("Attach", l.tries(store.Claim{Reader: "r", Asked: stolen}), store.ErrRevoked)
		e.is("Open", e.opens("b", stolen, true), store.ErrRevoked)
		e.is("Attach", l.tries(store.Claim{Reader: "r", Asked: asked}), nil)
	}},
	{"I6 who only names an id does not present it", func(e *env) {
		e.move("a", "b", "c", time.Hour)
		named := store.Asked{Signed: time.Unix(1, 0), Named: true, Came: e.store.Now()}
		equal(e, "standing", e.stands("b", "", named), store.Standing{ID: "b"})
		e.resolves("a", "c", "b")
	}},
	{"I11 Rotate refuses the old id in the same step", func(e *env) {
		l := e.openLog("a")
		p := l.add("x")
		before := e.rotate("a", "b")
		is := e.stands("a", "c", before)
		equal(e, "state of the old id for a moment", is.State, store.StateSettling)
		equal(e, "where it leads", is.ID, "a")
		equal(e, "quiet", is.Quiet, true)
		is = e.stands("a", "c", e.later())
		equal(e, "state of a value that was signed later", is.State, store.StateGood)
		e.is("Open", e.opens("a", before, true), store.ErrMoved)
		e.is("Open without create", e.opens("a", before, false), store.ErrMoved)
		e.missing("a")
		e.again("b").resume("r", e.at(p, 0)).says("resumed at 0").reads("1:x")
	}},
	{"I11 Rotate after a revocation or another Rotate is refused", func(e *env) {
		e.openLog("a")
		before := e.rotate("a", "b")
		how := store.Moving{Asked: before, Settle: store.Settle, Refuse: time.Hour}
		e.is("Rotate again", e.moves(ctx, "a", "c", how), store.ErrMoved)
		e.missing("c")
		e.again("b")
		how.Asked = e.later()
		e.revoke("b")
		e.is("Rotate", e.moves(ctx, "b", "c", how), store.ErrRevoked)
		e.missing("c")
	}},
	{"I11 Rotate ends the ways that lead to the id that it revokes", func(e *env) {
		e.openLog("a")
		e.move("a", "b", "c", time.Hour)
		e.rotate("b", "d") // in the request that replaced a with b: b has not been presented
		is := e.stands("a", "c", e.asked())
		equal(e, "where the old id leads", is.ID, "a")
	}},
	{"I14 for a while after a Move nobody who came before makes a session of the old id", func(e *env) {
		for _, refuse := range []time.Duration{0, time.Hour} {
			before := e.asked()
			settle := e.brief()
			id := fmt.Sprint("a", refuse)
			e.openLog(id)
			_, err := e.store.Move(ctx, id, id+"b", store.Moving{Asked: e.later(), Settle: settle, Refuse: refuse})
			e.is("Move", err, nil)
			during := before
			if refuse == 0 {
				during.Came = e.store.Now()
			}
			e.is("Open during", e.opens(id, during, true), store.ErrMoved)
			e.pass(settle+settle/4, nil)
			after := e.asked()
			late := store.Asked{Signed: before.Signed, Came: after.Came}
			if refuse > 0 {
				e.is("Open after", e.opens(id, late, true), store.ErrRevoked)
				equal(e, "state after", e.stands(id, "", late).State, store.StateRevoked)
				continue
			}
			// It has its own session. A request that came before is still told to come
			// back.
			e.is("Open of who came before", e.opens(id, before, true), store.ErrMoved)
			e.is("Open after", e.opens(id, late, true), nil)
			l := e.again(id)
			e.is("Open of who came before", e.opens(id, before, true), store.ErrMoved)
			e.is("Attach of who came before", l.tries(store.Claim{Reader: "q", Asked: during}), store.ErrMoved)
			e.is("Attach after", l.tries(store.Claim{Reader: "r", Asked: late}), nil)
			k := l.attach("s")
			e.again(id + "b").add("secret")
			k.reads("")
		}
	}},
	{"I14 who asks again and again with the old id makes nobody wait longer", func(e *env) {
		settle := e.brief()
		e.openLog("a")
		how := store.Moving{Settle: settle}
		e.is("Move", e.moves(ctx, "a", "b", how), nil)
		e.pass(settle/2, nil)
		e.is("Move", e.moves(ctx, "a", "c", how), nil)
		e.pass(settle*3/4, nil)
		e.is("Open", e.opens("a", e.asked(), true), nil)
	}},
	{"I14 an id to which a session moves back is in use at once", func(e *env) {
		e.openLog("a")
		e.move("a", "b", "", time.Hour)
		e.move("b", "a", "", time.Hour)
		asked := e.asked()
		e.is("Open", e.opens("a", asked, true), nil)
		e.is("Attach", e.again("a").tries(store.Claim{Reader: "r", Asked: asked}), nil)
	}},
	{"I15 an id is quiet for a while after a Move and a revocation", func(e *env) {
		asked := e.asked()
		equal(e, "at first", e.stands("a", "", asked).Quiet, false)
		e.move("a", "b", "", time.Hour)
		equal(e, "after a Move", e.stands("a", "", asked), store.Standing{ID: "a", Quiet: true})
		equal(e, "the new one", e.stands("b", "", asked).Quiet, false)
		e.revoke("c")
		revoked := store.Standing{ID: "c", State: store.StateRevoked, Quiet: true}
		equal(e, "after a revocation", e.stands("c", "", asked), revoked)
		later := asked
		later.Came = later.Came.Add(time.Minute)
		equal(e, "of a Move, later", e.stands("a", "", later).Quiet, false)
		equal(e, "of a revocation, later", e.stands("c", "", later).Quiet, false)
	}},
	{"I11 a revocation ends what a Move left behind", func(e *env) {
		before := e.rotate("a", "b")
		e.revoke("a")
		is := e.stands("a", "", before)
		equal(e, "state", is.State, store.StateRevoked)
	}},
	{"I16 of two log-ins at once one gets the session", func(e *env) {
		for i := range 20 {
			a := fmt.Sprint("a", i)
			e.openLog(a).add("x")
			asked := e.asked()
			var wg sync.WaitGroup
			for _, to := range []string{a + "b", a + "c"} {
				wg.Go(func() {
					_, err := e.store.Move(ctx, a, to, store.Moving{Asked: asked, Settle: store.Settle})
					if err != nil {
						e.Errorf("Move: %v", err)
					}
				})
			}
			wg.Wait()
			found := 0
			for _, to := range []string{a + "b", a + "c"} {
				if e.opens(to, store.Asked{}, false) == nil {
					found++
				}
			}
			equal(e, "sessions", found, 1)
			e.missing(a)
		}
	}},
	{"I16 a broadcast during moves reaches each session once", func(e *env) {
		const sessions = 40
		for i := range sessions {
			e.openLog(fmt.Sprint("s", i)).attach("r")
		}
		var wg sync.WaitGroup
		stop := make(chan struct{})
		ids := make([]string, sessions)
		for i := range ids {
			ids[i] = fmt.Sprint("s", i)
		}
		moves := 0
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				i := n % sessions
				to := fmt.Sprintf("s%d.%d", i, n)
				if _, err := e.store.Move(ctx, ids[i], to, store.Moving{Settle: store.Settle}); err != nil {
					e.Errorf("Move: %v", err)
					return
				}
				ids[i] = to
				moves++
			}
		})
		const rounds = 20
		for n := range rounds {
			m := text(fmt.Sprint("all ", n))
			for log, err := range e.store.Logs(ctx) {
				e.is("Logs", err, nil)
				_, err = log.Append(ctx, m, "")
				e.is("Append", err, nil)
			}
		}
		close(stop)
		wg.Wait()
		e.Logf("%d moves", moves)
		for _, id := range ids {
			got := e.again(id).attach("q").read()
			var want strings.Builder
			for n := range rounds {
				fmt.Fprintf(&want, " %d:all %d", n+1, n)
			}
			equal(e, id+" has", " "+got, want.String())
		}
	}},
	{"I16 a broadcast reaches two sessions that are joined meanwhile once", func(e *env) {
		for i, when := range []string{"before either", "after one", "after both"} {
			a, b := fmt.Sprint("a", i), fmt.Sprint("b", i)
			e.openLog(a).add("a")
			e.openLog(b).add("b")
			m := text("all")
			n := 0
			for log, err := range e.store.Logs(ctx) {
				e.is("Logs", err, nil)
				if log.ID() != a && log.ID() != b {
					continue
				}
				if n == i {
					e.move(a, b, "", 0)
				}
				if _, err := log.Append(ctx, m, ""); err != nil {
					e.is(when, err, store.ErrMoved) // it has been joined to the other by now
				}
				n++
			}
			if n == i {
				e.move(a, b, "", 0)
			}
			all := 0
			for _, entry := range e.end(b).Messages {
				if string(entry.Message.Data) == "all" {
					all++
				}
			}
			equal(e, "joined "+when+": how often it came", all, 1)
		}
	}},
}

// tries returns the error of Attach alone.
func (l *log) tries(c store.Claim) error {
	_, err := l.Attach(ctx, c)
	return err
}
