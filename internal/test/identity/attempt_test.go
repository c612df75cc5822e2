package identity_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

// attempt is one request of an attacker.
type attempt struct {
	a     *attacker
	node  *node
	held  // what he presents
	cid   string
	sent  stamp
	what  string
	route bool
	done  func() // must be called at the end; he may begin another request then
}

// query returns the target and the call of a link request, with his value in the cookie
// or in the query.
func (t *attempt) query(more ...string) (target string, c call) {
	d := t.a.dice
	q := more
	c = call{node: t.node, method: "GET", value: t.value}
	if t.cid != "" {
		q = append(q, "_cid="+t.cid)
	}
	switch d.below(4) {
	case 0:
		q, c.value = append(q, "_mirage=~"+t.value), ""
	case 1:
		q = append(q, "_mirage=")
	}
	if d.in(4) {
		q = append(q, "_was="+t.id)
	}
	return "/live?" + strings.Join(q, "&"), c
}

// stream opens a link by Server-Sent Events.
func (a *attacker) stream(ctx context.Context, t *attempt) {
	t.what = "a GET for a stream"
	target, c := t.query()
	c.target = target
	t.read(ctx, c)
}

// poll opens a link by long-poll.
func (a *attacker) poll(ctx context.Context, t *attempt) {
	t.what = "a first poll"
	target, c := t.query("_wait=5")
	c.target = target
	t.read(ctx, c)
}

// goOn continues a poll with a link token.
func (a *attacker) goOn(ctx context.Context, t *attempt, k stolen) {
	t.what = "a poll with the link token of stamp " + fmt.Sprint(k.got.n)
	t.cid = k.cid
	target, c := t.query("_wait=3")
	c.target, c.token = target, k.token
	t.read(ctx, c)
}

// read sends a GET and reads everything that comes.
func (t *attempt) read(ctx context.Context, c call) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t.a.opened(cancel)
	res, err := c.do(ctx)
	if err != nil {
		return
	}
	defer res.Body.Close()
	t.answered(res)
	r := &eyes{t: t, parser: frame.NewParser(64 << 10)}
	buf := make([]byte, 4096)
	for err == nil {
		var n int
		n, err = res.Body.Read(buf)
		r.look(buf[:n])
	}
}

// opened keeps the number of his open streams small.
func (a *attacker) opened(cancel context.CancelFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open = append(a.open, cancel)
	if len(a.open) > 8 {
		a.open[0]()
		a.open = a.open[1:]
	}
}

// socket opens a link by WebSocket, and sends on it.
func (a *attacker) socket(ctx context.Context, t *attempt) {
	t.what = "a WebSocket"
	target, c := t.query()
	h := http.Header{}
	c.addHeaders(h)
	if a.dice.in(2) {
		h.Set("Origin", t.node.origin())
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.opened(cancel)
	conn, res, err := t.node.dial(ctx, target, h)
	if res != nil {
		t.answered(res)
	}
	if err != nil {
		return
	}

	defer conn.CloseNow()
	conn.SetReadLimit(-1)

	r := &eyes{t: t, parser: frame.NewParser(64 << 10)}
	talked := make(chan struct{})
	defer func() { <-talked }()
	defer cancel()

	first := true
	for {
		_, text, err := conn.Read(ctx)
		if err == nil {
			r.look(text)
		}
		if first {
			first = false
			at, pos := r.at, r.pos
			go func() {
				defer close(talked)
				if err == nil {
					a.talk(ctx, t, conn, at, pos)
				}
			}()
		}
		if err != nil {
			return
		}
	}
}

// talk sends frames until the connection ends.
func (a *attacker) talk(ctx context.Context, t *attempt, conn *ws.Conn, link stamp, pos string) {
	for range 40 {
		c := claim{what: "a frame at " + t.node.url, who: a, sent: a.app.now(), token: link}
		body := []byte(a.app.claim(c))
		if t.cid != "" {
			if !a.owns(t.cid) {
				pos = "" // before a log-in he may acknowledge for somebody else, and that would spoil the counts
			}
			body = a.batch(pos, string(body))
		}
		if conn.Write(ctx, ws.MessageText, body) != nil {
			return
		}
		if !sleep(ctx, a.dice.upTo(pick(a.dice, time.Millisecond, 100*time.Millisecond, 3*time.Second))) {
			return
		}
	}
}

func (a *attacker) owns(cid string) bool { return strings.HasPrefix(cid, "mallory-") }

// batch returns a numbered message. Its writer is his own, so that he does not use up the
// numbers of honest tabs.
func (a *attacker) batch(pos, text string) []byte {
	a.mu.Lock()
	a.number++
	n, writer := a.number, pick(a.dice, a.cids[:3]...)
	a.mu.Unlock()
	up := frame.Up{Writer: writer, Base: n}
	if a.dice.in(3) {
		up.Ack = pos
	}
	m := store.Text(text)
	return frame.AppendUpstream(frame.AppendUp(nil, up), n, &m)
}

// post sends a numbered message with a link token.
func (a *attacker) post(ctx context.Context, t *attempt, k stolen) {
	t.what = fmt.Sprintf("a POST with the link token of stamp %d", k.got.n)
	c := claim{what: t.what + " at " + t.node.url, who: a, sent: t.sent, token: k.got}
	body := string(a.batch("", a.app.claim(c)))
	a.mu.Lock()
	cid := a.cids[0]
	a.mu.Unlock()
	t.send(ctx, call{
		node: t.node, method: "POST", target: "/live?_cid=" + cid, value: t.value, token: k.token,
		more: []string{"Content-Type", "text/event-stream"}, body: a.body(ctx, body),
	})
}

// body returns a body that may arrive slowly.
func (a *attacker) body(ctx context.Context, text string) io.Reader {
	if a.dice.below(4) > 0 {
		return strings.NewReader(text)
	}
	return newDrip(ctx, text, pick(a.dice, 100*time.Millisecond, 3*time.Second))
}

// say sends a message without a token.
func (a *attacker) say(ctx context.Context, t *attempt) {
	t.what = "a POST without a token"
	text := a.app.claim(claim{what: t.what + " at " + t.node.url, who: a, sent: t.sent})
	target, c := t.query()
	c.method, c.target, c.body = "POST", target, a.body(ctx, text)
	t.send(ctx, c)
}

// slowly sends a message without a token whose end arrives late.
func (a *attacker) slowly(ctx context.Context, t *attempt) {
	t.what = "a slow POST without a token"
	text := a.app.claim(claim{what: t.what + " at " + t.node.url, who: a, sent: t.sent})
	target, c := t.query()
	c.method, c.target, c.body = "POST", target, newDrip(ctx, text, a.dice.upTo(4*time.Second))
	t.send(ctx, c)
}

// page requests a route of the application.
func (a *attacker) page(ctx context.Context, t *attempt) {
	t.what = "a GET of a page"
	target, c := t.query()
	c.target = strings.Replace(target, "/live", "/page", 1)
	t.send(ctx, c)
}

func (a *attacker) goodbye(ctx context.Context, t *attempt, k stolen) {
	t.what = "a DELETE"
	t.send(ctx, call{node: t.node, method: "DELETE", target: "/live", value: t.value, token: k.token})
}

func (a *attacker) logIn(ctx context.Context, t *attempt) {
	t.what, t.route = "a log-in of his own", true
	t.send(ctx, call{node: t.node, method: "POST", target: "/login", value: t.value})
}

func (a *attacker) logOut(ctx context.Context, t *attempt) {
	t.what, t.route = "a log-out of his own", true
	t.send(ctx, call{node: t.node, method: "POST", target: "/logout", value: t.value})
}

// send sends a request whose response is short.
func (t *attempt) send(ctx context.Context, c call) {
	res, err := c.do(ctx)
	if err != nil {
		return
	}
	defer res.Body.Close()
	t.answered(res)
	r := &eyes{t: t, parser: frame.NewParser(64 << 10)}
	text, err := io.ReadAll(res.Body)
	if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		r.look(text)
	}
}
