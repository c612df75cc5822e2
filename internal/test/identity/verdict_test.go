package identity_test

import (
	"fmt"
	"slices"
)

// astray returns the reason for each tab that is not where it should be.
func (g *game) astray() (all []string) {
	if g.isBlurred() {
		return nil
	}
	for _, t := range g.v.all() {
		if why := g.strays(t); why != "" {
			all = append(all, why)
		}
	}
	return all
}

// strays returns why a tab is not where it should be, or "" if it is.
func (g *game) strays(t *tab) string {
	id := g.v.id()
	t.mu.Lock()
	defer t.mu.Unlock()
	why := g.whyLocked(t, id)
	if why == "" {
		return ""
	}
	return fmt.Sprintf("%s (stopped %d as %q, last hello %q, cookie %q) %s",
		t.name, t.stopped, t.as, t.hello.ID, id, why)
}

func (g *game) whyLocked(t *tab, id string) string {
	switch {
	case t.stopped != 0 && (g.isStopped(t.as) || g.isStopped(t.hello.ID)):
		return ""
	case t.stopped != 0 && g.forger && (t.hello.ID == "" || t.hello.ID == g.before.id): // he said goodbye for it
		return ""
	case t.stopped != 0:
		return "is dead"
	case !t.linked:
		return "has no link"
	case t.hello.ID != id && t.as == "":
		return "" // after a log-out it came back with a new id, beside another request that got one, too
	case t.hello.ID != id:
		return "is not on the id of the cookie"
	case !g.over && g.goal.id != "" && id != g.goal.id && !g.isStopped(g.goal.id):
		return "is not on " + g.goal.id
	case len(t.kept) > 0:
		return "has sent what was not accepted"
	}
	return g.missing(t)
}

// missing returns what a linked tab still has to get, or "". The caller holds its lock.
func (g *game) missing(t *tab) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.alls); n > 0 && g.whole() && t.first.n != 0 && t.first.n < g.alls[n-1].begun.n && !t.hasAll(n) {
		return "has not got the last broadcast"
	}
	most := g.counts[g.goal]
	if g.over || t.hello.ID != g.goal.id || t.had[g.goal] >= most {
		return ""
	}
	if i := slices.IndexFunc(t.got, func(m message) bool { return m.grant == g.goal && m.n == most }); i < 0 {
		return "has not got the last message"
	}
	return ""
}

// hasAll reports whether the tab has that broadcast. The caller holds its lock.
func (t *tab) hasAll(n int) bool {
	return slices.ContainsFunc(t.got, func(m message) bool { return m.all == n })
}

// verdict checks what must hold for honest tabs (L: liveness):
//
//   - Each tab is linked with the identity of the browser's cookie, which is the one
//     after the log-in. Or it was told to stop because its id was revoked by a log-out or
//     an operator. (An attacker who may log out with the old id, or log in with it first,
//     can cause that, too: the id is his as much as the visitor's.)
//   - It has all messages that were sent to that identity since its first hello there,
//     once and in order. If its session moved there with it, it has all that were ever
//     sent. It was told of no loss.
//   - What it sent was accepted, and handled once.
//   - It has no broadcast twice, and each that was sent while it was linked once.
func (g *game) verdict(astray []string) {
	if g.isBlurred() {
		return
	}
	for _, why := range astray {
		g.fault("%s", why)
	}
	for _, t := range g.v.all() {
		g.judgeMessages(t)
		g.judgeBroadcasts(t)
		if len(t.told) > 0 && g.whole() {
			g.fault("%s was told %q", t.name, t.told)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for text, n := range g.handled {
		if n > 1 {
			g.fault("%q was handled %d times", text, n)
		}
	}
}

// whole reports whether the visitor still has the session of the beginning.
func (g *game) whole() bool { return g.login == byRotate && !g.forger && !g.purge && g.end == "" }

// joins reports whether the visitor's session may have been joined to another one.
// Messages that were sent to both, or received but not acknowledged before, then come
// twice.
func (g *game) joins() bool { return g.login != byRotate && (g.account || g.again || g.purge) }

// judgeMessages checks the order of the messages that a tab got.
func (g *game) judgeMessages(t *tab) {
	last := map[grant]int{}
	for _, m := range t.got {
		if m.all != 0 {
			continue
		}
		before, some := last[m.grant]
		had, there := t.had[m.grant] // otherwise hello came late, and the grant had ended meanwhile
		last[m.grant] = m.n
		switch {
		case some && m.n <= before && (m.grant == g.goal || !g.joins()):
			g.fault("%s gets message %d for %v after message %d", t.name, m.n, m.grant, before)
		case some && g.hole(m.grant, before, m.n) && m.grant == g.goal:
			g.fault("%s gets message %d for %v right after message %d", t.name, m.n, m.grant, before)
		case !some && there && m.grant == g.goal && g.hole(m.grant, had, m.n):
			g.fault("%s gets message %d for %v first, but was there at message %d", t.name, m.n, m.grant, had)
		case !some && m.grant == g.goal && g.hole(m.grant, 0, m.n) && g.whole() && slices.Contains(t.ids, g.before.id):
			g.fault("%s gets message %d for %v first, but its session has moved there", t.name, m.n, m.grant)
		}
	}
}

// hole reports whether a message between these two is certainly missing.
func (g *game) hole(of grant, after, before int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for n := after + 1; n < before; n++ {
		if !g.lost[message{grant: of, n: n}] {
			return true
		}
	}
	return false
}

// judgeBroadcasts checks how often a tab got each broadcast.
func (g *game) judgeBroadcasts(t *tab) {
	g.mu.Lock()
	alls := slices.Clone(g.alls)
	g.mu.Unlock()
	for i, b := range alls {
		n := 0
		for _, m := range t.got {
			if m.all == i+1 {
				n++
			}
		}
		there := t.first.n != 0 && t.first.n < b.begun.n && b.acked.n != 0
		if n > 1 && !g.joins() || n == 0 && there && g.whole() {
			g.fault("%s gets broadcast %d %d times", t.name, i+1, n)
		}
	}
}
