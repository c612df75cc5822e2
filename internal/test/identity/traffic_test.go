package identity_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// A broadcast was sent between two stamps.
type broadcast struct{ begun, acked stamp }

// message handles a call of OnMessage.
func (a *app) message(id string, in session.Incoming) {
	text := string(in.Data)
	a.mu.Lock()
	c, evil := a.claims[text]
	if !evil && !in.Again {
		a.handled[text]++
	}
	a.mu.Unlock()
	if evil {
		a.saw(sighting{kind: taken, what: c.what, who: c.who, sent: c.sent, since: c.token, id: id})
	}
}

// feeds reports whether the caller is the first to send for a grant.
func (a *app) feeds(g grant) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	first := !a.fed[g]
	a.fed[g] = true
	return first
}

// send sends the next message for a grant, and reports whether there was a session for
// it. Only one goroutine at a time may send for a grant.
func (a *app) send(ctx context.Context, m *session.Manager, g grant) bool {
	a.mu.Lock()
	n := a.tried[g] + 1
	if a.failed[g] {
		n-- // the last message is in no log
	}
	a.tried[g], a.failed[g] = n, false
	a.mu.Unlock()
	_, err := m.Send(ctx, g.id, store.Text(fmt.Sprintf("secret=%s/%d/%d/%d;", g.id, g.life, n, a.now().n)))
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err == nil:
		a.counts[g] = n
	case !errors.Is(err, store.ErrUncertain):
		a.failed[g] = true
	}
	if err != nil {
		a.note("message %d for %v: %v", n, g, err)
	}
	a.lost[message{grant: g, n: n}] = err != nil
	return err == nil
}

// sent returns the grant that the id stood for then, and how many messages were sent, or
// are being sent, for it.
func (a *app) sent(id string, then stamp) (g grant, n int) {
	g = a.grantAt(id, then)
	a.mu.Lock()
	defer a.mu.Unlock()
	return g, a.tried[g]
}

// toAll sends a broadcast.
func (a *app) toAll(ctx context.Context, m *session.Manager) {
	begun := a.now()
	a.mu.Lock()
	a.alls = append(a.alls, broadcast{begun: begun})
	n := len(a.alls)
	a.mu.Unlock()
	if _, err := m.Broadcast(ctx, store.Text(fmt.Sprintf("all %d", n))); err != nil {
		a.note("broadcast %d: %v", n, err)
		return
	}
	acked := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.alls[n-1].acked = acked
}

var secretText = regexp.MustCompile(`secret=([A-Za-z0-9._-]+)/(\d+)/(\d+)/(\d+);`)

// parseSecret reads what send wrote.
func parseSecret(text string) (g grant, n int, sent int64, ok bool) {
	m := secretText.FindStringSubmatch(text)
	if m == nil {
		return g, 0, 0, false
	}
	life, _ := strconv.Atoi(m[2])
	n, _ = strconv.Atoi(m[3])
	sent, _ = strconv.ParseInt(m[4], 10, 64)
	return grant{m[1], life}, n, sent, true
}

// A claim says who sent a message, when, and when he got its token.
type claim struct {
	what        string
	who         *attacker
	sent, token stamp
}

// claim returns the text of an attacker's message.
func (a *app) claim(c claim) string {
	text := fmt.Sprintf("evil %s %d", c.who.name, c.sent.n)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.claims[text] = c
	return text
}
