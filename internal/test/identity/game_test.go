package identity_test

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// A game is one play under way.
type game struct {
	plan
	*app
	site *site
	v    *visitor
	dice *dice
	seed uint64

	settle time.Duration // of the stores' moves

	ctx      context.Context // of the honest
	evil     context.Context
	stopEvil context.CancelFunc
	work     sync.WaitGroup // of all but the tabs and what sends
	sending  sync.WaitGroup

	before grant // before the log-in
	goal   grant // after it; zero while there is none
	over   bool  // goal has ended
	done   chan struct{}
}

func (g *game) anyNode() *node { return pick(g.dice, g.site.nodes[:]...) }

// soon lets attackers hurry, and passes a part of the time in which they do.
func (g *game) soon() {
	g.hot()
	sleep(g.ctx, g.dice.upTo(300*time.Millisecond))
}

// wait is part of the script: at most so many units pass.
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

	// A page gives the visitor an id, which an attacker has planted, or seen.
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

	// Tabs come, and some more while the log-in is under way.
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

	// Its end, and another one.
	if g.end != "" {
		g.leaveSite()
		if g.again {
			g.comeBack()
		}
	}

	// Nothing more is sent. Attackers go on until everybody honest is
	// where they are to be.
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

// attack lets an attacker loose who holds a grant of the visitor.
func (g *game) attack(name string, of grant) *attacker {
	a := newAttacker(name, g.site, g.app, newDice(g.seed, uint64(len(name))+50))
	a.forger = g.forger && of == g.before
	a.learn(of, g.v.jar.get(cookieName))
	if !g.isClosed(of.id) { // else what links get has come through Validate
		g.v.bugged(a)
	}
	for range 2 {
		g.work.Go(func() { a.run(g.evil) })
	}
	return a
}

// feed sends messages for a grant while that is good.
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

// stir lets tabs speak and come back by other ways, and broadcasts.
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

// logIn logs the visitor in. Messages for the new identity are sent from the very moment
// on at which the application has it.
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
		if g.dice.in(2) { // some links begin just then
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

	// A link or a page takes the visitor to the account.
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

// steal gives an attacker all that the visitor has, some time after the log-in.
func (g *game) steal() {
	sleep(g.ctx, 2*g.unit)
	g.wait(6)
	if g.v.id() == g.goal.id {
		g.attack("thief", g.goal)
	}
}

// revalidate ends the links of the visitor, and perhaps closes the id to everybody else.
func (g *game) revalidate() {
	sleep(g.ctx, 3*g.unit)
	g.wait(9)
	g.soon()
	barred := g.barred && g.validate() != nil
	begun := g.now()
	if barred {
		g.v.unbugged() // what the visitor's links get from now on has come through Validate
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

// revoke is an operator's.
func (g *game) revoke(id string) {
	w := watched{g.anyNode().m, g.app}
	_ = w.Revoke(g.ctx, id) // noted
}

// comeBack is another visit with new tabs.
func (g *game) comeBack() {
	g.v.unbugged()
	if g.end == "revoke" {
		sleep(g.ctx, 11*time.Second) // the cookie of a revoked id stays for so long
	}
	g.wait(8)
	if g.v.ask(g.ctx, "GET", "/page"); g.isStopped(g.v.id()) {
		return // its late answer says nothing new: the person tries again later
	}
	g.logIn()
	g.over = false
	for range 2 {
		g.v.open(g.ctx, pick(g.dice, stream, polling, socket))
		g.wait(1)
	}
	sleep(g.ctx, 8*g.unit)
}
