package identity_test

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// A game is a play that is running.
type game struct {
	plan
	*app
	site *site
	v    *visitor
	dice *dice
	seed uint64

	settle time.Duration // of moves in the stores

	ctx      context.Context // of the honest
	evil     context.Context
	stopEvil context.CancelFunc
	work     sync.WaitGroup // everything except the tabs and the senders
	sending  sync.WaitGroup

	before grant // before the log-in
	goal   grant // after it; zero while there is none
	over   bool  // goal was ended
	done   chan struct{}
}

func (g *game) anyNode() *node { return pick(g.dice, g.site.nodes[:]...) }

// soon makes attackers hurry, and waits for a part of that time.
func (g *game) soon() {
	g.hot()
	sleep(g.ctx, g.dice.upTo(300*time.Millisecond))
}

// wait waits for a random time of at most so many units, as a part of the script.
func (g *game) wait(units int) { sleep(g.ctx, g.dice.upTo(time.Duration(units)*g.unit)) }

func (g *game) run() {
	ctx, cancel := context.WithCancel(context.Background())
	g.ctx, g.done = ctx, make(chan struct{})
	g.evil, g.stopEvil = context.WithCancel(context.Background())
	defer func() {
		g.stopEvil()
		g.work.Wait()
		cancel()
		g.v.work.Wait()
	}()

	// A page gives the visitor an id that an attacker has planted or seen.
	for g.v.id() == "" {
		if _, ok := g.v.ask(ctx, "GET", "/page"); !ok {
			g.fault("no page")
			return
		}
	}
	g.before = g.guard(g.v.id())
	if g.login != byRotate {
		g.guard(g.v.account)
	}
	if g.account {
		if _, err := g.anyNode().m.Open(ctx, g.v.account); err != nil {
			g.fault("Open: %v", err)
		}
	}
	planter := g.attack("planter", g.before)

	// Tabs open, some of them while the log-in is under way.
	g.v.open(ctx, pick(g.dice, stream, polling, socket, plain))
	for range g.tabs - 1 {
		g.work.Go(func() {
			g.wait(6)
			g.v.open(ctx, pick(g.dice, stream, polling, socket))
		})
	}
	g.sending.Go(func() { g.feed(g.before) })
	g.sending.Go(g.stir)
	g.wait(4)
	g.logIn()
	_ = planter

	// The visit.
	var visit sync.WaitGroup
	if g.stolen {
		visit.Go(g.steal)
	}
	if g.renew {
		visit.Go(g.revalidate)
	}
	sleep(ctx, max(g.settle, 6*g.unit)+3*g.unit)
	visit.Wait()

	// The visit ends, and another one may begin.
	if g.end != "" {
		g.leaveSite()
		if g.again {
			g.comeBack()
		}
	}

	// Nothing more is sent. Attackers continue until all honest tabs are where they
	// should be.
	close(g.done)
	g.sending.Wait()
	astray := g.astray()
	for range 90 {
		if len(astray) == 0 {
			break
		}
		sleep(ctx, g.unit)
		astray = g.astray()
	}
	g.verdict(astray)
}

// attack starts an attacker who holds a grant of the visitor.
func (g *game) attack(name string, of grant) *attacker {
	a := newAttacker(name, g.site, g.app, newDice(g.seed, uint64(len(name))+50))
	a.forger = g.forger && of == g.before
	a.learn(of, g.v.jar.get(cookieName))
	if !g.isClosed(of.id) { // otherwise links get only what passed Validate
		g.v.bugged(a)
	}
	for range 2 {
		g.work.Go(func() { a.run(g.evil) })
	}
	return a
}

// feed sends messages for a grant while it is valid.
func (g *game) feed(of grant) {
	if !g.feeds(of) {
		return
	}
	for i := 0; g.guard(of.id) == of; i++ {
		select {
		case <-g.done:
			return
		default:
		}
		if !g.send(g.ctx, g.anyNode().m, of) {
			sleep(g.ctx, g.unit/10)
		}
		if i > 3 {
			g.wait(2)
		}
	}
}

// stir makes tabs send and reconnect in other ways, and broadcasts.
func (g *game) stir() {
	for {
		g.wait(2)
		select {
		case <-g.done:
			return
		default:
		}
		tabs := g.v.all()
		t := pick(g.dice, tabs...)
		switch g.dice.below(6) {
		case 0:
			t.reconnect()
		case 1:
			g.toAll(g.ctx, g.anyNode().m)
		default:
			t.say()
		}
	}
}

// logIn logs the visitor in. Messages for the new identity are sent from the moment at
// which the application knows it.
func (g *game) logIn() {
	begun := make(chan grant, 1)
	g.mu.Lock()
	g.news = begun
	g.mu.Unlock()

	g.sending.Go(func() {
		select {
		case of := <-begun:
			g.feed(of)
		case <-g.done:
		}
	})
	g.soon()

	if g.purge && g.goal == (grant{}) {
		g.work.Go(func() {
			sleep(g.ctx, g.dice.upTo(pick(g.dice, time.Millisecond, g.unit)))
			g.revoke(g.before.id)
		})
	}

	for _, t := range g.v.all() {
		if g.dice.in(2) { // some links begin at this moment
			g.work.Go(func() {
				g.wait(1)
				t.reconnect()
			})
		}
	}

	for range 8 {
		res, ok := g.v.ask(g.ctx, "POST", "/login", "Secret", g.v.name)
		if !ok {
			return
		}
		if res.StatusCode == http.StatusOK {
			g.goal = g.guard(res.Header.Get("Id"))
			break
		}
		sleep(g.ctx, g.unit)
	}

	if g.goal == (grant{}) {
		g.fault("no log-in succeeds")
		return
	}
	if g.login == byRotate {
		g.v.unbugged()
		return
	}

	// A link or a page moves the visitor to the account.
	g.goal = g.guard(g.v.account)
	account := g.goal
	g.sending.Go(func() { g.feed(account) })
	g.soon()

	switch g.dice.below(3) {
	case 0:
		g.v.ask(g.ctx, "GET", "/page")
	case 1:
		g.v.open(g.ctx, pick(g.dice, stream, polling, socket))
	default:
		pick(g.dice, g.v.all()...).reconnect()
	}
}

// steal gives an attacker everything that the visitor has, some time after the log-in.
func (g *game) steal() {
	sleep(g.ctx, 2*g.unit)
	g.wait(6)
	if g.v.id() == g.goal.id {
		g.attack("thief", g.goal)
	}
}

// revalidate ends the visitor's links. It may close the id to everybody else.
func (g *game) revalidate() {
	sleep(g.ctx, 3*g.unit)
	g.wait(9)
	g.soon()
	barred := g.barred && g.validate() != nil
	begun := g.now()
	if barred {
		g.v.unbugged() // links get only what passed Validate from now on
		g.mu.Lock()
		g.closed[g.goal.id] = true
		g.mu.Unlock()
	}
	err := g.anyNode().m.Revalidate(g.ctx, g.goal.id)
	if g.outcome(err, "Revalidate(%s)", g.goal.id); err != nil {
		return
	}
	g.app.renew(g.goal, begun, barred)
}

// leaveSite ends the visit.
func (g *game) leaveSite() {
	g.soon()
	g.over = true
	if g.end == "revoke" {
		g.revoke(g.goal.id)
		return
	}
	if res, ok := g.v.ask(g.ctx, "POST", "/"+g.end); ok && res.StatusCode != http.StatusOK && !g.isBlurred() {
		g.fault("log-out: %d", res.StatusCode)
	}
}

// revoke revokes an id, as an operator does.
func (g *game) revoke(id string) {
	w := watched{g.anyNode().m, g.app}
	_ = w.Revoke(g.ctx, id) // the ledger notes it
}

// comeBack is another visit, with new tabs.
func (g *game) comeBack() {
	g.v.unbugged()
	if g.end == "revoke" {
		sleep(g.ctx, 11*time.Second) // the cookie of a revoked id stays for that long
	}
	g.wait(8)
	if g.v.ask(g.ctx, "GET", "/page"); g.isStopped(g.v.id()) {
		return // the late response has no new id: the person tries again later
	}
	g.logIn()
	g.over = false
	for range 2 {
		g.v.open(g.ctx, pick(g.dice, stream, polling, socket))
		g.wait(1)
	}
	sleep(g.ctx, 8*g.unit)
}
