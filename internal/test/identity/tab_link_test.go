package identity_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/internal/frame"
)

// come is a tab's next action.
type come struct {
	after time.Duration
	stop  int // the status at which it stops; 0 means that it comes back
}

// query returns the query of the next link or poll. follows means that the poll continues
// a link.
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
	if t.stopped == 0 {
		t.as = t.v.site.idOf(t.v.jar.get(cookieName))
	}
	return "?" + q.Encode(), more, follows
}

// link opens one link, or makes one poll.
func (t *tab) link(ctx context.Context, w way) come {
	n := t.v.anyNode(t.dice)
	query, more, follows := t.query(w)
	left := t.v.now()
	if !sleep(ctx, t.v.away(t.dice)) {
		return come{}
	}

	if w == socket {
		return t.dial(ctx, n, query, more, left)
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

	r := &reading{t: t, polls: w == polling, fresh: !follows, left: left, parser: frame.NewParser(64 << 10)}
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

// failed returns the next action after the network failed, or a link ended without an
// event.
func (t *tab) failed() come {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tries++
	most := min(20*time.Second, time.Duration(float64(500*time.Millisecond)*math.Pow(2, float64(min(t.tries-1, 10)))))
	return come{after: t.dice.upTo(most)}
}

// refused returns the next action after a response that begins no link.
func (t *tab) refused(status int, after time.Duration) come {
	t.v.note("%s is told %d, after %v", t.name, status, after)
	switch {
	case t.cid == "": // an EventSource
		return come{stop: status}
	case status == http.StatusUnauthorized:
		t.drop("")
		return come{}
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests,
		status >= 500 && status != http.StatusNotImplemented:
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

// drop forgets a token that the server no longer accepts. "" stands for the current one.
func (t *tab) drop(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if token == "" || token == t.token {
		t.token, t.polls, t.linked = "", false, false
	}
}

// dial opens a link by WebSocket.
func (t *tab) dial(ctx context.Context, n *node, query string, more []string, left stamp) come {
	h := http.Header{}
	call{more: more}.addHeaders(h)
	h.Set("Origin", n.origin())
	c, res, err := n.dial(ctx, "/live"+query, h)
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

	r := &reading{t: t, fresh: true, left: left, parser: frame.NewParser(64 << 10), conn: c}
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

// closed returns the next action after a WebSocket has ended.
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
