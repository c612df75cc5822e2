package identity_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// An answer is the response to a POST or a frame with messages.
type answer struct {
	Status   int    `json:"status"`
	Accepted uint64 `json:"accepted"`
	Retry    int    `json:"retry"` // in milliseconds
}

// speak acknowledges, and sends the pending messages, until ctx ends or the tab is told
// to stop.
func (t *tab) speak(ctx context.Context) {
	for sleep(ctx, 200*time.Millisecond+t.dice.upTo(600*time.Millisecond)) {
		t.mu.Lock()
		token, conn, over, as := t.token, t.conn, t.stopped != 0, t.hello.ID
		some := len(t.kept) > 0 || t.pos != t.acked
		body, messages, at := t.batch()
		t.mu.Unlock()
		switch {
		case over:
			return
		case token == "" || t.cid == "" || !some:
			continue
		}

		var a answer
		if conn != nil {
			a = t.ask(ctx, conn, body, messages)
		} else {
			a = t.post(ctx, token, body)
		}
		switch a.Status {
		case http.StatusOK:
			t.accept(a.Accepted, at)
		case http.StatusUnauthorized:
			t.drop(token)
			t.mu.Lock()
			if t.cut != nil && t.token == "" {
				t.cut() // its link has ended, too
			}
			t.mu.Unlock()
		case http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusRequestEntityTooLarge:
			t.v.fault("%s: what it sends is answered %d", t.name, a.Status)
			return
		case http.StatusGone:
			t.stop(a.Status, as)
			return
		default:
			sleep(ctx, max(time.Duration(a.Retry)*time.Millisecond, time.Second))
		}
	}
}

// accept notes which messages the server has accepted.
func (t *tab) accept(number uint64, at store.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.acked = at
	for len(t.kept) > 0 && t.kept[0].Number <= number {
		t.kept = t.kept[1:]
	}
}

// stop stops the tab, because something that it sent under that id was answered so.
func (t *tab) stop(status int, as string) {
	t.v.note("%s is told %d for what it sent as %s", t.name, status, as)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped, t.as = status, as
	if t.cut != nil {
		t.cut()
	}
}

// batch returns the body of the next POST or frame. The caller holds the lock.
func (t *tab) batch() (body []byte, messages bool, at store.Position) {
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
	}
	return body, len(t.kept) > 0, t.pos
}

// say enqueues a message.
func (t *tab) say() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cid == "" || t.stopped != 0 {
		return
	}
	t.number++
	text := store.Text(fmt.Sprintf("good %s %d", t.name, t.number))
	t.kept = append(t.kept, session.Numbered{Number: t.number, Message: text})
}

// post sends a body. It returns the zero answer if there was no response.
func (t *tab) post(ctx context.Context, token string, body []byte) (a answer) {
	c := call{
		node: t.v.anyNode(t.dice), method: "POST", target: "/live?_cid=" + t.cid, token: token,
		more: append([]string{"Content-Type", "text/event-stream"}, t.v.jar.header()...),
		body: strings.NewReader(string(body)),
	}
	if !sleep(ctx, t.v.away(t.dice)) {
		return answer{}
	}
	res, err := c.do(ctx)
	if err != nil {
		return answer{}
	}
	defer res.Body.Close()
	_ = json.NewDecoder(res.Body).Decode(&a)
	if !sleep(ctx, t.v.back(t.dice)) {
		return answer{}
	}
	t.v.jar.take(res.Header)
	after, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	a.Status, a.Retry = res.StatusCode, 1000*after
	return a
}

// ask sends a frame, and waits for its answer if the frame has messages.
func (t *tab) ask(ctx context.Context, conn *ws.Conn, body []byte, messages bool) answer {
	asked := make(chan answer, 1)
	if messages {
		t.mu.Lock()
		t.asked = asked
		t.mu.Unlock()
	}
	if conn.Write(ctx, ws.MessageText, body) != nil {
		return answer{}
	}
	if !messages {
		return answer{Status: http.StatusOK}
	}
	late := time.NewTimer(10 * time.Second)
	defer late.Stop()
	select {
	case a := <-asked:
		return a
	case <-late.C: // the link ended
	case <-ctx.Done():
	}
	return answer{}
}

// answered passes the answer to a frame to ask.
func (t *tab) answered(a answer) {
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
