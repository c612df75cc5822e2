package identity_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
)

// An attacker holds every value of some grants and every link token and _cid that goes with them,
// and keeps what he gets in answers. He repeats all that can be asked with these, for ever.
type attacker struct {
	name   string
	site   *site
	app    *app
	dice   *dice
	forger bool // he also logs in, logs out and says goodbye, as whoever he is

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

// stolen is a link token with what goes with it.
type stolen struct {
	token, id string
	cid       string // "" where it is not known
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

func (a *attacker) grants() []grant {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.known)
}

// learn gives him a grant and a value of it, and another one that is due for renewal.
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
			a.tokens = slices.Delete(a.tokens, 4, 5) // the oldest stay
		}
	}
	if cid != "" && !slices.Contains(a.cids, cid) {
		a.cids = append(a.cids, cid)
	}
}

// run repeats requests until ctx ends, and returns when all are over.
func (a *attacker) run(ctx context.Context) {
	for ctx.Err() == nil {
		a.strike(ctx)
		a.app.rest(ctx, a.dice)
	}
	a.work.Wait()
}

// maxBusy bounds his requests under way beside streams: he is to race, not to flood.
const maxBusy = 12

// strike begins one request of a random kind.
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

// attempt is one request of his.
type attempt struct {
	a     *attacker
	node  *node
	held  // what he presents
	cid   string
	sent  stamp
	what  string
	route bool
	done  func() // he may begin another one
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
	if token.token != "" { // it is good only beside a value of its id
		if i := slices.IndexFunc(values, func(h held) bool { return h.id == token.id }); i >= 0 && a.dice.below(8) > 0 {
			t.held = values[i]
		}
	}
	t.sent = a.app.now()
	f(ctx, &t)
}

// query is that of a link, with his value in the cookie or in the query.
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

// stream is a link by Server-Sent Events.
func (a *attacker) stream(ctx context.Context, t *attempt) {
	t.what = "a GET for a stream"
	target, c := t.query()
	c.target = target
	t.read(ctx, c)
}

// poll is a link by long-poll.
func (a *attacker) poll(ctx context.Context, t *attempt) {
	t.what = "a first poll"
	target, c := t.query("_wait=5")
	c.target = target
	t.read(ctx, c)
}

// goOn is a poll on a link token.
func (a *attacker) goOn(ctx context.Context, t *attempt, k stolen) {
	t.what = "a poll with the link token of stamp " + fmt.Sprint(k.got.n)
	t.cid = k.cid
	target, c := t.query("_wait=3")
	c.target, c.token = target, k.token
	t.read(ctx, c)
}

// read sends a GET and reads whatever comes.
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

// answered looks at the head of an answer.
func (t *attempt) answered(res *http.Response) {
	value := setCookie(res.Header, cookieName)
	if value == "" {
		return
	}
	id, signed, err := t.a.site.codec.Verify(cookie.ID, value)
	if err != nil {
		return
	}
	t.got(sighting{kind: anyValue, id: id, value: value, time: signed, route: t.route})
}

// got notes what he got, and lets him keep it.
func (t *attempt) got(s sighting) {
	s.what, s.who, s.sent, s.as = t.what+" at "+t.node.url, t.a, t.sent, t.id
	t.a.app.saw(s)
	if s.value != "" {
		t.a.mu.Lock()
		if len(t.a.values) < 6 {
			t.a.holdLocked(held{s.value, s.id})
		}
		t.a.mu.Unlock()
	}
}

// eyes read what comes down on one link.
type eyes struct {
	t      *attempt
	parser *frame.Parser
	last   string // what is not searched yet, as it may be half of something
	hello  frame.Hello
	at     stamp // of hello
	pos    string
}

func (r *eyes) look(chunk []byte) {
	r.last += string(chunk)
	for _, m := range secretText.FindAllStringIndex(r.last, -1) {
		g, _, sent, _ := parseSecret(r.last[m[0]:m[1]])
		r.t.got(sighting{kind: secret, of: g, since: stamp{n: sent}, link: r.at})
	}
	if all := secretText.FindAllStringIndex(r.last, -1); all != nil {
		r.last = r.last[all[len(all)-1][1]:]
	}
	r.last = r.last[max(0, len(r.last)-300):]

	r.parser.Feed(chunk)
	for {
		e, ok, err := r.parser.Next()
		if err != nil || !ok {
			return
		}
		if e.HasID {
			r.pos = e.ID
		}
		if e.Name != frame.EventHello || json.Unmarshal(e.Data, &r.hello) != nil {
			continue
		}
		r.t.done()
		r.at = r.t.a.app.now()
		r.t.got(sighting{kind: hello, id: r.hello.ID})
		if r.hello.Mirage != "" {
			value := strings.TrimPrefix(r.hello.Mirage, "~")
			if id, signed, err := r.t.a.site.codec.Verify(cookie.ID, value); err == nil && value != r.t.value {
				r.t.got(sighting{kind: anyValue, id: id, value: value, time: signed})
			}
		}
		r.t.a.overhear(r.hello.Link, r.hello.ID, r.t.cid)
	}
}

// socket is a link by WebSocket, on which he talks.
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
	conn, res, err := ws.Dial(ctx, t.node.url+target, &ws.DialOptions{HTTPClient: &http.Client{Transport: t.node.client}, HTTPHeader: h})
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
				pos = "" // to acknowledge for somebody else is his right before a log-in, and spoils the counts
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

// batch is a numbered message. Its writer is his own, so that honest numbers stay.
func (a *attacker) batch(pos, text string) []byte {
	a.mu.Lock()
	a.number++
	n, writer := a.number, pick(a.dice, a.cids[:3]...)
	a.mu.Unlock()
	up := frame.Up{Writer: writer, Base: n}
	if a.dice.in(3) {
		up.Ack = pos
	}
	m := session.Text(text)
	return frame.AppendUpstream(frame.AppendUp(nil, up), n, &m)
}

// post is a numbered message on a link token.
func (a *attacker) post(ctx context.Context, t *attempt, k stolen) {
	t.what = fmt.Sprintf("a POST with the link token of stamp %d", k.got.n)
	c := claim{what: t.what + " at " + t.node.url, who: a, sent: t.sent, token: k.got}
	body := string(a.batch("", a.app.claim(c)))
	t.send(ctx, call{
		node: t.node, method: "POST", target: "/live?_cid=" + a.cids[0], value: t.value, token: k.token,
		more: []string{"Content-Type", "text/event-stream"}, body: a.body(ctx, body),
	})
}

// body is a body that may take its time.
func (a *attacker) body(ctx context.Context, text string) io.Reader {
	if a.dice.below(4) > 0 {
		return strings.NewReader(text)
	}
	return newDrip(ctx, text, pick(a.dice, 100*time.Millisecond, 3*time.Second))
}

// say is a message without a token.
func (a *attacker) say(ctx context.Context, t *attempt) {
	t.what = "a POST without a token"
	text := a.app.claim(claim{what: t.what + " at " + t.node.url, who: a, sent: t.sent})
	target, c := t.query()
	c.method, c.target, c.body = "POST", target, a.body(ctx, text)
	t.send(ctx, c)
}

// slowly is a message without a token whose end comes late.
func (a *attacker) slowly(ctx context.Context, t *attempt) {
	t.what = "a slow POST without a token"
	text := a.app.claim(claim{what: t.what + " at " + t.node.url, who: a, sent: t.sent})
	target, c := t.query()
	c.method, c.target, c.body = "POST", target, newDrip(ctx, text, a.dice.upTo(4*time.Second))
	t.send(ctx, c)
}

// page is a route of the application.
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

// send sends a request whose answer is short.
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

// parseHello reads the data of a hello; zero if it is none.
func parseHello(e frame.Event) (h frame.Hello) {
	if e.Name == frame.EventHello {
		_ = json.Unmarshal(e.Data, &h)
	}
	return h
}
