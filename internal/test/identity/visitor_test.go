package identity_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
)

// A visitor is an honest person with a browser.
type visitor struct {
	*app
	site    *site
	name    string
	account string
	dice    *dice
	jar     jar
	late    []time.Duration // delays of requests and responses, at random

	mu        sync.Mutex
	tabs      []*tab
	attackers []*attacker // they overhear each hello
	work      sync.WaitGroup
}

func newVisitor(name string, s *site, a *app, late []time.Duration, d *dice) *visitor {
	v := &visitor{app: a, site: s, name: name, account: "account-" + name, dice: d, late: late}
	v.jar.values = map[string]string{}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.secrets[name] = v.account
	return v
}

func (v *visitor) anyNode(d *dice) *node { return pick(d, v.site.nodes[:]...) }

// away returns the delay of one of his requests. back returns the delay of a response.
func (v *visitor) away(d *dice) time.Duration {
	if len(v.late) == 0 {
		return 0
	}
	return d.upTo(min(2*time.Second, pick(d, v.late...)))
}

func (v *visitor) back(d *dice) time.Duration {
	if len(v.late) == 0 {
		return 0
	}
	return pick(d, v.late...)
}

// id returns the id in the browser's cookie.
func (v *visitor) id() string { return v.site.idOf(v.jar.get(cookieName)) }

// ask sends a request for a route of the application, with the cookies of the jar.
func (v *visitor) ask(ctx context.Context, method, target string, more ...string) (*http.Response, bool) {
	more = append(more, v.jar.header()...)
	if !sleep(ctx, v.away(v.dice)) {
		return nil, false
	}
	res, err := call{node: v.anyNode(v.dice), method: method, target: target, more: more}.do(ctx)
	if err != nil {
		return nil, false
	}
	res.Body.Close()
	if !sleep(ctx, v.back(v.dice)) {
		return nil, false
	}
	v.jar.take(res.Header)
	v.note("%s's %s %s is answered %d, the jar has %q", v.name, method, target, res.StatusCode, v.id())
	return res, true
}

// open opens a tab, which lives until ctx ends.
func (v *visitor) open(ctx context.Context, w way) *tab {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := len(v.tabs)
	t := &tab{v: v, name: fmt.Sprintf("%s's tab %d", v.name, n), way: w}
	t.dice = newDice(uint64(v.dice.below(1<<30)), uint64(n))
	if w != plain {
		t.cid = fmt.Sprintf("honest-%s-%s-%012d", v.name, strings.Repeat("0", 10), n)
		v.cid(t.cid)
	}
	v.tabs = append(v.tabs, t)
	v.note("%s opens, by %s", t.name, w)
	v.work.Go(func() { t.run(ctx) })
	v.work.Go(func() { t.speak(ctx) })
	return t
}

func (v *visitor) all() []*tab {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.tabs)
}

// heard is called with each hello of his tabs.
func (v *visitor) heard(t *tab, h frame.Hello) {
	v.note("%s is %s, before %q, resumed %t %s", t.name, h.ID, h.Previous, h.Resumed, h.Reason)
	v.mu.Lock()
	listening := slices.Clone(v.attackers)
	v.mu.Unlock()
	for _, a := range listening {
		a.overhear(h.Link, h.ID, t.cid)
	}
}

// bugged lets an attacker overhear each hello from now on, and those that there were.
func (v *visitor) bugged(a *attacker) {
	v.mu.Lock()
	v.attackers = append(v.attackers, a)
	tabs := slices.Clone(v.tabs)
	v.mu.Unlock()
	for _, t := range tabs {
		t.mu.Lock()
		token, id := t.hello.Link, t.hello.ID
		t.mu.Unlock()
		a.overhear(token, id, t.cid)
	}
}

// unbugged stops all attackers from overhearing hellos.
func (v *visitor) unbugged() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.attackers = nil
}
