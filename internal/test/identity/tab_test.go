package identity_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
)

// A way is how a tab is linked.
type way string

const (
	stream  way = "sse"
	polling way = "poll"
	socket  way = "websocket"
	plain   way = "eventsource" // a page's EventSource without a client of ours
)

// A jar holds the cookies of one browser.
type jar struct {
	mu     sync.Mutex
	values map[string]string
}

func (j *jar) get(name string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.values[name]
}

// header is what the browser sends.
func (j *jar) header() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []string
	for name, value := range j.values {
		all = append(all, name+"="+value)
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	return []string{"Cookie", strings.Join(all, "; ")}
}

func (j *jar) take(h http.Header) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range h["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		switch {
		case err != nil:
		case c.MaxAge < 0:
			delete(j.values, c.Name)
		default:
			j.values[c.Name] = c.Value
		}
	}
}

// A tab is an honest client object. It does what docs/protocol.md says.
type tab struct {
	v    *visitor
	name string
	cid  string // "" for a plain one
	dice *dice

	mu      sync.Mutex
	way     way
	cut     context.CancelFunc // ends the link under way
	hello   frame.Hello        // the last
	ids     []string           // of all hellos
	pos     session.Position
	placed  bool // pos is one
	anew    bool // the next block has another one
	token   string
	polls   bool   // the token is for polls
	linked  bool   // a hello came and no end since
	stopped int    // the status at which it stopped; 0 while it goes on
	as      string // the id that it presented then
	tries   int    // without success
	got     []message
	told    []string      // gaps, and hellos with losses
	first   stamp         // of the first hello
	had     map[grant]int // how many messages had been sent for a grant at the first hello with its id

	kept   []session.Numbered // not accepted yet
	number uint64
	acked  session.Position
	again  bool
	conn   *ws.Conn
	asked  chan frameAnswer // to the frame under way; nil without one
}

// A message is what a tab got from the application.
type message struct {
	grant
	n   int // counted for each grant
	all int // of a broadcast, which has no grant; 0 otherwise
}

type frameAnswer struct {
	Status   int    `json:"status"`
	Accepted uint64 `json:"accepted"`
	Retry    int    `json:"retry"`
}

// come is what a tab does next.
type come struct {
	after time.Duration
	stop  int // the status at which it stops; 0 to come back
}

// run links the tab again and again, until ctx ends or it is told to stop.
func (t *tab) run(ctx context.Context) {
	for ctx.Err() == nil {
		one, cancel := context.WithCancel(ctx)
		t.mu.Lock()
		w := t.way
		t.cut = cancel
		t.mu.Unlock()
		c := t.link(one, w)
		again := one.Err() != nil && ctx.Err() == nil // it was cut to come back at once
		cancel()
		t.mu.Lock()
		t.linked = t.linked && w == polling && t.token != ""
		if c.stop != 0 && !again {
			t.stopped = c.stop
			t.v.note("%s stops at %d as %q", t.name, c.stop, t.as)
		}
		over := t.stopped != 0
		t.mu.Unlock()
		if over {
			return
		}
		if !again && !sleep(ctx, c.after) {
			return
		}
	}
}

// reconnect ends the link and begins another one, perhaps of another kind.
func (t *tab) reconnect() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.way != plain {
		t.way = pick(t.dice, stream, polling, socket)
		t.token, t.polls = "", false
	}
	if t.cut != nil {
		t.cut()
	}
}

// query is that of the next link or poll, and whether it is a poll that goes on.
func (t *tab) query(w way) (query string, more []string, follows bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := url.Values{}
	if t.cid != "" {
		q.Set("_cid", t.cid)
		if t.hello.ID != "" {
			q.Set("_was", t.hello.ID)
		}
		if t.placed {
			q.Set("_pos", t.pos.String())
		}
	} else if t.placed {
		more = append(more, "Last-Event-ID", t.pos.String())
	}
	if w == polling {
		q.Set("_wait", "25")
		if t.polls && t.token != "" {
			more, follows = append(more, "Mirage-Link", t.token), true
		}
	}
	more = append(more, t.v.jar.header()...)
	t.as = t.v.site.idOf(t.v.jar.get(cookieName))
	return "?" + q.Encode(), more, follows
}

// link is one link, or one poll.
func (t *tab) link(ctx context.Context, w way) come {
	n := t.v.anyNode(t.dice)
	query, more, follows := t.query(w)
	if !sleep(ctx, t.v.away(t.dice)) {
		return come{}
	}
	if w == socket {
		return t.dial(ctx, n, query, more)
	}
	res, err := call{node: n, method: "GET", target: "/live" + query, more: more}.do(ctx)
	if err != nil {
		return t.failed()
	}
	defer res.Body.Close()
	if !sleep(ctx, t.v.back(t.dice)) {
		return come{}
	}
	t.v.jar.take(res.Header)
	if res.StatusCode != http.StatusOK {
		after, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		return t.refused(res.StatusCode, time.Duration(after)*time.Second)
	}
	r := &reading{t: t, polls: w == polling, fresh: !follows, parser: frame.NewParser(64 << 10)}
	err = r.all(ctx, res.Body)
	if r.over != nil {
		return *r.over
	}
	if w == plain {
		if retry, ok := r.parser.Retry(); ok {
			return come{after: retry}
		}
		return come{after: time.Second}
	}
	if err != nil {
		return t.failed()
	}
	if w == polling {
		return come{} // the next poll
	}
	return t.failed()
}

// failed is after the network failed, or a link ended without a word.
func (t *tab) failed() come {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tries++
	most := min(20*time.Second, time.Duration(float64(500*time.Millisecond)*math.Pow(2, float64(min(t.tries-1, 10)))))
	return come{after: t.dice.upTo(most)}
}

// refused is after an answer that begins no link.
func (t *tab) refused(status int, after time.Duration) come {
	t.v.note("%s is told %d, after %v", t.name, status, after)
	switch {
	case t.cid == "": // an EventSource
		return come{stop: status}
	case status == http.StatusUnauthorized:
		t.drop("")
		return come{}
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500 && status != http.StatusNotImplemented:
		if after > 0 {
			t.mu.Lock()
			t.tries++
			t.mu.Unlock()
			return come{after: after + t.dice.upTo(after/2)}
		}
		return t.failed()
	}
	return come{stop: status}
}

// drop forgets a token that the server does not take any more; "" is the one that it has.
func (t *tab) drop(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if token == "" || token == t.token {
		t.token, t.polls, t.linked = "", false, false
	}
}

// dial is a link by WebSocket.
func (t *tab) dial(ctx context.Context, n *node, query string, more []string) come {
	h := http.Header{}
	call{more: more}.addHeaders(h)
	h.Set("Origin", n.origin())
	c, res, err := ws.Dial(ctx, n.url+"/live"+query, &ws.DialOptions{HTTPClient: &http.Client{Transport: n.client}, HTTPHeader: h})
	switch {
	case err != nil && res != nil && res.StatusCode != http.StatusSwitchingProtocols:
		return t.refused(res.StatusCode, 0)
	case err != nil:
		return t.failed()
	}
	defer c.CloseNow()
	c.SetReadLimit(-1)
	if !sleep(ctx, t.v.back(t.dice)) {
		return come{}
	}
	t.v.jar.take(res.Header)
	r := &reading{t: t, fresh: true, parser: frame.NewParser(64 << 10), conn: c}
	defer func() {
		t.mu.Lock()
		if t.conn == c {
			t.conn = nil
		}
		t.mu.Unlock()
	}()
	for {
		_, text, err := c.Read(ctx)
		if err != nil {
			return t.closed(r, err)
		}
		r.feed(text)
	}
}

// closed is after a WebSocket has ended.
func (t *tab) closed(r *reading, err error) come {
	var end ws.CloseError
	switch {
	case r.over != nil:
		return *r.over
	case !errors.As(err, &end):
		return t.failed()
	case !r.greeted && end.Code >= 4000:
		return t.refused(int(end.Code)-4000, 0)
	case end.Code == 4410, end.Code == 1002, end.Code == 1003, end.Code == 1007:
		return come{stop: int(end.Code) - 4000}
	}
	return t.failed()
}

// reading is what one answer or WebSocket brings.
type reading struct {
	t       *tab
	parser  *frame.Parser
	conn    *ws.Conn
	polls   bool
	fresh   bool // hello comes first
	greeted bool
	over    *come // what the link's end said
}

func (r *reading) all(ctx context.Context, body io.Reader) error {
	buf := make([]byte, 4096)
	for {
		n, err := body.Read(buf)
		r.feed(buf[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *reading) feed(chunk []byte) {
	r.parser.Feed(chunk)
	for {
		e, ok, err := r.parser.Next()
		if err != nil {
			r.t.v.fault("%s cannot read what came: %v", r.t.name, err)
		}
		if err != nil || !ok {
			return
		}
		r.event(e)
	}
}

func (r *reading) event(e frame.Event) {
	t := r.t
	if r.fresh && !r.greeted && e.Name != frame.EventHello {
		t.v.fault("%s: the first event is %q", t.name, e.Name)
	}
	switch e.Name {
	case frame.EventHello:
		r.greeted = true
		t.greet(r, e)
		return
	case frame.EventGap:
		t.mu.Lock()
		t.told = append(t.told, "a gap: "+string(e.Data))
		t.mu.Unlock()
	case frame.EventAck:
		var a frameAnswer
		_ = json.Unmarshal(e.Data, &a)
		t.answered(a)
		return
	case frame.EventDrain:
		var d frame.Drain
		_ = json.Unmarshal(e.Data, &d)
		r.over = &come{after: time.Duration(d.Retry) * time.Millisecond}
		t.drop("")
		t.v.note("%s is drained for %v", t.name, r.over.after)
		return
	case frame.EventEnd:
		r.over = &come{stop: http.StatusGone}
		t.mu.Lock()
		t.as = t.hello.ID
		t.mu.Unlock()
		return
	}
	if !e.HasID {
		return
	}
	p, err := session.ParsePosition(e.ID)
	if err != nil {
		t.v.fault("%s: position %q", t.name, e.ID)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.anew && t.placed && p.Epoch == t.pos.Epoch && p.Seq <= t.pos.Seq {
		return // it has that
	}
	t.pos, t.placed, t.anew = p, true, false
	if e.Name == "" {
		t.keep(string(e.Data))
	}
}

// greet takes in a hello.
func (t *tab) greet(r *reading, e frame.Event) {
	var h frame.Hello
	if err := json.Unmarshal(e.Data, &h); err != nil {
		t.v.fault("%s: hello %q: %v", t.name, e.Data, err)
		return
	}
	p, err := session.ParsePosition(e.ID)
	behind := t.cid == "" && h.Lost != nil && !e.HasID // the position is that of the gap that follows
	if err != nil && !behind {
		t.v.fault("%s: hello's position %q", t.name, e.ID)
		return
	}
	t.v.heard(t, h)
	of, n := t.v.sent(h.ID)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first.n == 0 {
		t.first = t.v.now()
		t.had = map[grant]int{}
	}
	if _, ok := t.had[of]; !ok {
		t.had[of] = n
	}
	if before := t.hello.ID; before != "" && h.ID != before && h.Previous != before {
		t.kept = nil // handed back to the page
	}
	if h.Lost != nil {
		t.told = append(t.told, fmt.Sprintf("as %s: not resumed (%s), lost %+v", h.ID, h.Reason, *h.Lost))
	}
	switch ahead := t.placed && p.Epoch == t.pos.Epoch && p.Seq > t.pos.Seq; {
	case behind:
		t.anew = true
	case !t.placed, h.Resumed && ahead, !h.Resumed && h.Reason != string(session.Trimmed):
		t.pos, t.placed = p, true
	}
	if !h.Resumed && len(t.ids) > 0 {
		t.again = true
	}
	for len(t.kept) > 0 && t.kept[0].Number <= h.Accepted && h.Reader == t.hello.Reader {
		t.kept = t.kept[1:]
	}
	t.hello, t.token, t.polls, t.linked, t.tries, t.conn = h, h.Link, r.polls, true, 0, r.conn
	t.ids = append(t.ids, h.ID)
}

// keep notes a message of the application. The caller has the lock.
func (t *tab) keep(text string) {
	var m message
	if _, err := fmt.Sscanf(text, "all %d", &m.all); err == nil {
		t.got = append(t.got, m)
		return
	}
	g, n, _, ok := parseSecret(text)
	if !ok {
		t.v.note("%s gets %q", t.name, text)
		return
	}
	t.got = append(t.got, message{grant: g, n: n})
}

// speak acknowledges, and sends what is kept, until ctx ends.
func (t *tab) speak(ctx context.Context) {
	for sleep(ctx, 200*time.Millisecond+t.dice.upTo(600*time.Millisecond)) {
		t.mu.Lock()
		token, conn, over := t.token, t.conn, t.stopped != 0
		some := len(t.kept) > 0 || t.pos != t.acked
		body, last, at := t.batch()
		t.mu.Unlock()
		if over {
			return
		}
		if token == "" || t.cid == "" || !some {
			continue
		}
		var status int
		var accepted uint64
		var wait time.Duration
		if conn != nil {
			status, accepted, wait = t.ask(ctx, conn, body, last > 0)
		} else {
			status, accepted, wait = t.post(ctx, token, body)
		}
		switch status {
		case http.StatusOK:
			t.mu.Lock()
			t.acked = at
			for len(t.kept) > 0 && t.kept[0].Number <= accepted {
				t.kept = t.kept[1:]
			}
			t.mu.Unlock()
		case http.StatusUnauthorized:
			t.drop(token)
			t.mu.Lock()
			if t.cut != nil && t.token == "" {
				t.cut() // its link is over, too
			}
			t.mu.Unlock()
		case http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusRequestEntityTooLarge:
			t.v.fault("%s: what it sends is answered %d", t.name, status)
			return
		case http.StatusGone:
			t.mu.Lock()
			t.stopped, t.as = status, t.hello.ID
			if t.cut != nil {
				t.cut()
			}
			t.mu.Unlock()
			return
		default:
			sleep(ctx, max(wait, time.Second))
		}
	}
}

// batch is the body of the next POST or frame. The caller has the lock.
func (t *tab) batch() (body []byte, last uint64, at session.Position) {
	up := frame.Up{Writer: t.cid, Base: t.number + 1, Again: t.again}
	if t.placed {
		up.Ack = t.pos.String()
	}
	if len(t.kept) > 0 {
		up.Base = t.kept[0].Number
	}
	body = frame.AppendUp(nil, up)
	for i := range t.kept {
		body = frame.AppendUpstream(body, t.kept[i].Number, &t.kept[i].Message)
		last = t.kept[i].Number
	}
	return body, last, t.pos
}

// say puts a message on its way.
func (t *tab) say() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cid == "" || t.stopped != 0 {
		return
	}
	t.number++
	t.kept = append(t.kept, session.Numbered{Number: t.number, Message: session.Text(fmt.Sprintf("good %s %d", t.name, t.number))})
}

// post sends a body. A status of 0 is no answer.
func (t *tab) post(ctx context.Context, token string, body []byte) (status int, accepted uint64, wait time.Duration) {
	more := append([]string{"Mirage-Link", token, "Content-Type", "text/event-stream"}, t.v.jar.header()...)
	if !sleep(ctx, t.v.away(t.dice)) {
		return 0, 0, 0
	}
	res, err := call{node: t.v.anyNode(t.dice), method: "POST", target: "/live?_cid=" + t.cid, more: more, body: strings.NewReader(string(body))}.do(ctx)
	if err != nil {
		return 0, 0, 0
	}
	defer res.Body.Close()
	var a frameAnswer
	_ = json.NewDecoder(res.Body).Decode(&a)
	if !sleep(ctx, t.v.back(t.dice)) {
		return 0, 0, 0
	}
	t.v.jar.take(res.Header)
	after, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	return res.StatusCode, a.Accepted, time.Duration(after) * time.Second
}

// ask sends a frame, and waits for its answer if it has messages.
func (t *tab) ask(ctx context.Context, conn *ws.Conn, body []byte, messages bool) (status int, accepted uint64, wait time.Duration) {
	answer := make(chan frameAnswer, 1)
	if messages {
		t.mu.Lock()
		t.asked = answer
		t.mu.Unlock()
	}
	if conn.Write(ctx, ws.MessageText, body) != nil {
		return 0, 0, 0
	}
	if !messages {
		return http.StatusOK, 0, 0
	}
	late := time.NewTimer(10 * time.Second)
	defer late.Stop()
	select {
	case a := <-answer:
		return a.Status, a.Accepted, time.Duration(a.Retry) * time.Millisecond
	case <-late.C: // the link ended
	case <-ctx.Done():
	}
	return 0, 0, 0
}

// answered hands the answer to a frame to ask.
func (t *tab) answered(a frameAnswer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case a.Status == 0:
		for len(t.kept) > 0 && t.kept[0].Number <= a.Accepted {
			t.kept = t.kept[1:]
		}
	case t.asked != nil:
		t.asked <- a
		t.asked = nil
	}
}
