package identity_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mirage-go/mirage/cookie"
)

// An attacker holds every value of some grants and every link token and _cid that goes
// with them, and learns from responses. He repeats every request that can be made with
// these, until the end.
type attacker struct {
	name   string
	site   *site
	app    *app
	dice   *dice
	forger bool // he also logs in, logs out and says goodbye, under each of his ids

	mu     sync.Mutex
	known  []grant
	values []held
	tokens []stolen
	cids   []string
	open   []context.CancelFunc // of his streams
	number uint64               // of his last message
	work   sync.WaitGroup
	busy   int // requests under way
}

// held is a signed value and its id.
type held struct{ value, id string }

// stolen is a link token with its id and _cid.
type stolen struct {
	token, id string
	cid       string // "" if unknown
	got       stamp
}

func newAttacker(name string, s *site, a *app, d *dice) *attacker {
	t := &attacker{name: name, site: s, app: a, dice: d}
	for i := range 3 {
		t.cids = append(t.cids, fmt.Sprintf("mallory-%s-%020d", name, i))
		a.cid(t.cids[i])
	}
	return t
}

func (a *attacker) knows(g grant) bool { return slices.Contains(a.grants(), g) }

// holds reports whether he has a grant of the id, from any of its lives.
func (a *attacker) holds(id string) bool {
	return slices.ContainsFunc(a.grants(), func(g grant) bool { return g.id == id })
}

func (a *attacker) grants() []grant {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.known)
}

// learn gives him a grant, its value, and another value of it that is due for renewal.
func (a *attacker) learn(g grant, value string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.known, g) {
		a.known = append(a.known, g)
	}
	a.holdLocked(held{value, g.id})
	old, err := a.site.codec.SignAt(cookie.ID, g.id, a.site.nodes[0].m.Now().Add(-20*24*time.Hour))
	if err != nil {
		a.site.Error(err)
	}
	a.holdLocked(held{old, g.id})
}

func (a *attacker) holdLocked(h held) {
	if h.value != "" && !slices.Contains(a.values, h) {
		a.values = append(a.values, h)
	}
}

// overhear gives him a link token, if he holds a value that goes with it.
func (a *attacker) overhear(token, id, cid string) {
	got := a.app.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if token != "" && slices.ContainsFunc(a.values, func(h held) bool { return h.id == id }) {
		a.tokens = append(a.tokens, stolen{token, id, cid, got})
		if len(a.tokens) > 24 {
			a.tokens = slices.Delete(a.tokens, 4, 5) // keep the oldest
		}
	}
	if cid != "" && !slices.Contains(a.cids, cid) {
		a.cids = append(a.cids, cid)
	}
}

// run repeats requests until ctx ends, and returns when all of them have ended.
func (a *attacker) run(ctx context.Context) {
	for ctx.Err() == nil {
		a.strike(ctx)
		a.app.rest(ctx, a.dice)
	}
	a.work.Wait()
}

// maxBusy bounds his concurrent requests, not counting streams. He is to race, not to
// flood.
const maxBusy = 12

// strike begins one random request.
func (a *attacker) strike(ctx context.Context) {
	a.mu.Lock()
	if a.busy >= maxBusy || len(a.values) == 0 {
		a.mu.Unlock()
		return
	}
	a.busy++
	a.mu.Unlock()
	done := sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.busy--
	})
	a.work.Go(func() {
		defer done()
		a.ask(ctx, done)
	})
}

// ask makes one request.
func (a *attacker) ask(ctx context.Context, done func()) {
	a.mu.Lock()
	t := attempt{a: a, node: pick(a.dice, a.site.nodes[:]...), held: pick(a.dice, a.values...), done: done}
	if a.dice.below(4) > 0 {
		t.cid = pick(a.dice, a.cids...)
	}
	var token stolen
	if len(a.tokens) > 0 {
		token = pick(a.dice, a.tokens...)
	}
	values := slices.Clone(a.values)
	a.mu.Unlock()

	kinds := []func(context.Context, *attempt){a.stream, a.stream, a.poll, a.socket, a.say, a.slowly, a.page}
	if token.token != "" {
		with := func(f func(context.Context, *attempt, stolen)) func(context.Context, *attempt) {
			return func(ctx context.Context, t *attempt) { f(ctx, t, token) }
		}
		kinds = append(kinds, with(a.post), with(a.post), with(a.goOn), with(a.goOn))
		if a.forger || a.app.isDead(token.id, token.got) {
			kinds = append(kinds, with(a.goodbye))
		}
	}
	if a.forger && a.dice.in(4) {
		kinds = append(kinds, a.logIn, a.logOut)
	}
	f := pick(a.dice, kinds...)
	if token.token != "" { // a token is valid only together with a value of its id
		if i := slices.IndexFunc(values, func(h held) bool { return h.id == token.id }); i >= 0 && a.dice.below(8) > 0 {
			t.held = values[i]
		}
	}
	t.sent = a.app.now()
	f(ctx, &t)
}
