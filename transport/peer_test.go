package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// peer is a client as docs/protocol.md describes it, on a network where anything may
// break at any byte. It numbers its messages and resends them until they are accepted,
// acknowledges, and reconnects at once. If the server violates the protocol, the peer has
// a fault: a hole or a repeat within a link, a position that was not resumed, another id,
// an answer that makes no sense. It also counts the messages that come twice.
//
// Package client does not report any of this: it drops repeats, reconnects after an
// answer that makes no sense, and waits before it reconnects. A test that checks what an
// application gets uses package client.
type peer struct {
	url  string
	cid  string
	http *http.Client

	mu      sync.Mutex
	change  chan struct{} // closed and replaced when something below has changed
	hello   frame.Hello
	hellos  int
	polls   string // the token of the link that polls go on with
	socket  *wire  // the WebSocket of the newest link, if it is one
	pos     store.Position
	got     []string
	twice   int    // how many it had already
	last    uint64 // the number of its last message
	kept    []session.Numbered
	retries int

	faults []string

	quit context.CancelFunc
	work sync.WaitGroup
}

var peers atomic.Int64

// newPeer returns a client that begins with nothing. c is its own: it gets a cookie jar.
func newPeer(url string, c *http.Client) *peer {
	c.Jar, _ = cookiejar.New(nil)
	return &peer{url: url, cid: fmt.Sprintf("peer-%022d", peers.Add(1)), http: c, change: make(chan struct{})}
}

// keepStream, keepPolling and keepSocket are the ways down: each keeps one request under
// way until ctx ends. Over a WebSocket goes what is sent, too.
func (p *peer) keepStream(ctx context.Context)  { p.keep(ctx, "") }
func (p *peer) keepPolling(ctx context.Context) { p.keep(ctx, "5") }
func (p *peer) keepSocket(ctx context.Context)  { p.keep(ctx, websocket) }

const websocket = "websocket"

// keepSwitching changes between them ten times a second, and begins the one before the
// other has ended.
func (p *peer) keepSwitching(ctx context.Context) {
	var overlap sync.WaitGroup
	defer overlap.Wait()
	for i := 0; ctx.Err() == nil && p.ok(); i++ {
		one, cancel := context.WithTimeout(ctx, 120*time.Millisecond)
		overlap.Go(func() {
			defer cancel()
			p.keep(one, []string{"5", websocket, "", websocket, "5", ""}[i%6])
		})
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (p *peer) keep(ctx context.Context, wait string) {
	p.mu.Lock()
	p.polls = ""
	p.mu.Unlock()
	for ctx.Err() == nil && p.ok() {
		if err := p.get(ctx, wait); err != nil {
			p.retry()
		}
	}
}

// begin lets the client receive by the given way until stop.
func (p *peer) begin(way func(*peer, context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	p.quit = cancel
	p.work.Go(func() { way(p, ctx) })
}

// stop ends what begin began, and closes the client's connections.
func (p *peer) stop() {
	p.quit()
	p.work.Wait()
	p.http.CloseIdleConnections()
}

// get is one GET: a stream without wait, a WebSocket, or a poll. A nil error is a whole
// answer.
func (p *peer) get(ctx context.Context, wait string) error {
	p.mu.Lock()
	query := url.Values{"_cid": {p.cid}}
	read := &reading{p: p, at: p.pos, returns: p.hellos > 0}
	if p.hellos > 0 {
		query.Set("_pos", p.pos.String())
	}

	token := ""
	if wait == websocket {
		p.mu.Unlock()
		return p.dial(ctx, query.Encode(), read)
	}
	if wait != "" {
		query.Set("_wait", wait)
		token, read.polls = p.polls, true
	}
	p.mu.Unlock()

	read.begun = token != ""
	r, _ := http.NewRequestWithContext(ctx, "GET", p.url+"?"+query.Encode(), nil)
	if token != "" {
		r.Header.Set("Mirage-Link", token)
	}

	resp, err := p.do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()

	switch resp.StatusCode {
	case 200:
		return read.all(resp.Body)
	case 401: // the link has ended: begin a new one, without token
		p.drop(token)
		return errors.New("401")
	}
	return p.strange(resp)
}

func (p *peer) do(r *http.Request) (*http.Response, error) {
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("User-Agent", "") // none
	return p.http.Do(r)
}

// drop forgets a link token that the server does not take any more.
func (p *peer) drop(token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hello.Link == token {
		p.hello.Link = ""
	}
	if p.polls == token {
		p.polls = ""
	}
	p.changed()
}

// send sends messages in one batch, with all that was not accepted before, until all is
// accepted or the client has a fault.
func (p *peer) send(texts ...string) {
	p.mu.Lock()
	for _, text := range texts {
		p.last++
		p.kept = append(p.kept, session.Numbered{Number: p.last, Message: store.Text(text)})
	}
	p.mu.Unlock()
	for p.ok() {
		if !p.until(func() bool { return p.hello.Link != "" }) {
			return
		}
		if p.post() == nil {
			return
		}
		p.retry()
	}
}

// post sends what is kept and the acknowledgement of what was received, once.
func (p *peer) post() error {
	p.mu.Lock()
	token, last, socket := p.hello.Link, p.last, p.socket
	body := frame.AppendUp(nil, frame.Up{Writer: p.cid, Base: last + 1 - uint64(len(p.kept)), Ack: p.pos.String()})
	for i := range p.kept {
		body = frame.AppendUpstream(body, p.kept[i].Number, &p.kept[i].Message)
	}
	some := len(p.kept) > 0
	p.mu.Unlock()

	if socket != nil && some {
		return p.ask(socket, body, last)
	}

	resp, err := p.up(token, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case 200:
	case 401:
		p.drop(token)
		return errors.New("401")
	default:
		return p.strange(resp)
	}

	var a struct{ Accepted uint64 }
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return err
	}
	if a.Accepted != last {
		p.fault("sent %d, accepted %d", last, a.Accepted)
	}

	p.mu.Lock()
	p.kept = nil
	p.mu.Unlock()
	return nil
}

func (p *peer) up(token string, body []byte) (*http.Response, error) {
	r, _ := http.NewRequest("POST", p.url+"?_cid="+p.cid, readerOf(body))
	r.Header.Set("Mirage-Link", token)
	r.Header.Set("Content-Type", "text/event-stream")
	return p.do(r)
}

func (p *peer) strange(resp *http.Response) error {
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		p.fault("%s: %s %s", resp.Request.Method, resp.Status, text)
	}
	return errors.New(resp.Status)
}

// retry counts what had to be tried again. A client that never gets on has a fault.
func (p *peer) retry() {
	p.mu.Lock()
	p.retries++
	many := p.retries == 1000
	p.mu.Unlock()
	if many {
		p.fault("a thousand retries")
	}
}

func (p *peer) fault(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, fmt.Sprintf(format, args...))
	p.changed()
}

func (p *peer) ok() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.faults) == 0
}

// changed wakes until; p.mu is held.
func (p *peer) changed() {
	close(p.change)
	p.change = make(chan struct{})
}

// until waits for a condition, which is called under p.mu. It is false if the client has
// a fault first: ten seconds are one, too.
func (p *peer) until(is func() bool) bool {
	late := time.After(10 * time.Second)
	for {
		p.mu.Lock()
		done, failed, change := is(), len(p.faults) > 0, p.change
		p.mu.Unlock()
		if done || failed {
			return done && !failed
		}
		select {
		case <-change:
		case <-late:
			p.fault("waited for ten seconds: hellos %d, token %t, got %d messages",
				p.hellos, p.hello.Link != "", len(p.got))
		}
	}
}

// has waits until the client has n messages.
func (p *peer) has(n int) bool { return p.until(func() bool { return len(p.got) >= n }) }

// report hands the client's faults to the test.
func (p *peer) report(t testing.TB, context ...any) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.faults) > 0 {
		t.Errorf("%s %q", fmt.Sprintln(context...), p.faults)
	}
}
