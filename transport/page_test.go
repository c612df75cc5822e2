package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

// eventSource is the transport of a page without our client: the browser's own
// EventSource and fetch.
const eventSource = "EventSource"

// pageWays are the transports of pages.
var pageWays = []string{"sse", "poll", websocket, eventSource}

// A page is a client that reconnects on its one transport, and resends, as
// docs/protocol.md says, until it is told to stop.
type page struct {
	*tab
	way string
	lag atomic.Int64 // how long its next GET is on its way to the server

	quit context.CancelFunc
	work sync.WaitGroup

	// Guarded by the tab's mu.
	greetings []frame.Hello // all that came
	linked    bool          // it has a link: hello has come, and no end
	drain     time.Duration // when to reconnect after the link's end; -1 if the server has not said
	stopped   string        // how it was told to stop; "" while it lives
	resting   chan struct{} // it does not ask until this is closed; nil while it asks
	cut       context.CancelFunc
	queue     []string // the messages that are not accepted yet, "number:text"
	unacked   bool
	stir      chan struct{} // there is something to say
	tries     int           // how many attempts in a row have failed
	retry     time.Duration // of an EventSource
}

// page returns a page that has not been loaded yet.
func (b *browser) page(way string) *page {
	p := &page{tab: b.tab(), way: way, stir: make(chan struct{}, 1), retry: 3 * time.Second}
	if way == eventSource {
		p.cid = ""
	}
	p.note = p.heard
	return p
}

// pages returns a page for each of the ways.
func (b *browser) pages(ways []string) (pages []*page) {
	for _, way := range ways {
		pages = append(pages, b.page(way))
	}
	return pages
}

// load starts the page.
func (p *page) load() {
	ctx, cancel := context.WithCancel(context.Background())
	p.quit = cancel
	p.work.Go(func() { p.live(ctx) })
	p.work.Go(func() { p.talk(ctx) })
}

// loadOrResume is resume for a page that was loaded already.
func (p *page) loadOrResume() {
	if p.quit == nil {
		p.load()
	} else {
		p.resume()
	}
}

// close ends the page as a browser does, without a word. The second call does nothing.
func (p *page) close() {
	if p.quit != nil {
		p.quit()
		p.work.Wait()
	}
}

func closePages(pages []*page) {
	for _, p := range pages {
		p.close()
	}
}

// rest stops the page's requests until resume. The responses on their way are lost,
// except that a poll is answered.
func (p *page) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resting = make(chan struct{})
	if p.cut != nil && p.way != "poll" {
		p.cut()
	}
}

func (p *page) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.resting)
	p.resting = nil
}

// live keeps the page on one link after the other.
func (p *page) live(ctx context.Context) {
	for p.awake(ctx) {
		again := p.once(ctx)
		if p.end() != "" {
			p.quit()
			return
		}
		sleepIn(ctx, again)
	}
}

// awake waits while the page rests. It is false once the page is closed.
func (p *page) awake(ctx context.Context) bool {
	for ctx.Err() == nil {
		p.mu.Lock()
		resting := p.resting
		p.mu.Unlock()
		if resting == nil {
			return true
		}
		select {
		case <-resting:
		case <-ctx.Done():
		}
	}
	return false
}

func sleepIn(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return // without a timer: https://go.dev/issue/78156
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// once is one GET: a link, or one of its polls. It returns when to come back.
func (p *page) once(ctx context.Context) time.Duration {
	ctx, cancel := context.WithCancel(context.WithValue(ctx, pageKey{}, p))
	defer cancel()
	p.mu.Lock()
	p.cut, p.drain = cancel, -1
	hellos := p.hellos
	p.mu.Unlock()
	granted, again := p.get(ctx)

	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.hellos > hellos || granted && p.way == "poll":
		p.tries = 0
	case granted:
		p.b.w.Errorf("%s: a link is granted and says no hello", p.name())
	}
	if p.way != "poll" || p.drain >= 0 {
		p.linked = false
		p.hello.Link = ""
	}
	if p.drain >= 0 {
		return p.drain
	}
	return again
}

// get asks, and reads the answer to its end.
func (p *page) get(ctx context.Context) (granted bool, again time.Duration) {
	if p.way == websocket {
		return p.dial(ctx)
	}

	var header []string
	if p.way == eventSource {
		if at := p.position(); at != "" {
			header = []string{"Last-Event-ID", at}
		}
	} else if p.way == "poll" && p.token() != "" {
		header = []string{"Mirage-Link", p.token()}
	}

	r, err := p.b.request(ctx, "GET", p.address(), "", header...)
	if err != nil {
		return false, p.backOff(0)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return false, p.refused(r)
	}

	parser := frame.NewParser(2 << 20)
	for e, err := range parser.All(r.Body) {
		if err != nil {
			return p.isGreeted(), p.backOff(0)
		}
		p.take(e)
	}
	p.reach(parser.LastID())

	switch {
	case p.way == "poll":
		return true, 0
	case p.way != eventSource:
		return true, p.backOff(0)
	}
	if d, ok := parser.Retry(); ok {
		p.retry = d
	}
	if granted = p.isGreeted(); !granted && r.Header.Get("Set-Cookie") != "" {
		p.b.w.Errorf("%s: no link is granted, and a cookie is set", p.name())
	}
	return granted, p.retry
}

// reach takes over the last position of an answer, because a block may have only a
// position.
func (p *page) reach(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, err := store.ParsePosition(id); err == nil {
		p.pos = at
	}
}

// dial is get over a WebSocket.
func (p *page) dial(ctx context.Context) (granted bool, again time.Duration) {
	s, r, err := p.upgrade(ctx, p.address(), "Origin", p.b.w.origin())
	if err != nil {
		if r != nil {
			p.b.w.Errorf("%s: the handshake is answered %s", p.name(), r.Status)
		}
		return false, p.backOff(0)
	}
	s.read(ctx)
	granted = len(s.frames) > 0
	if !granted && r.Header.Get("Set-Cookie") != "" {
		p.b.w.Errorf("%s: no link is granted, and a cookie is set", p.name())
	}
	if ce, ok := errors.AsType[ws.CloseError](s.err); ok && ce.Code > 4000 {
		return granted, p.answered(int(ce.Code)-4000, 0)
	}
	return granted, p.backOff(0)
}

// address is the query of a GET.
func (p *page) address() string {
	q := url.Values{}
	if p.cid != "" {
		q.Set("_cid", p.cid)
		if at := p.position(); at != "" {
			q.Set("_pos", at)
		}
		if id := p.id(); id != "" {
			q.Set("_was", id)
		}
		if p.way == "poll" {
			q.Set("_wait", "25")
		}
	}
	return "?" + q.Encode()
}

// refused is answered for a response.
func (p *page) refused(r *http.Response) time.Duration {
	if r.Header.Get("Set-Cookie") != "" {
		p.b.w.Errorf("%s: %s, and a cookie is set", p.name(), r.Status)
	}
	if p.way == eventSource {
		p.stop(r.StatusCode) // whatever it is
	}
	return p.answered(r.StatusCode, retryAfter(r.Header))
}

// answered does what the protocol says about a status, and returns when to reconnect.
func (p *page) answered(status int, retry time.Duration) time.Duration {
	switch status {
	case 408, 429, 500, 502, 503, 504:
		return p.backOff(retry)
	case 401:
		p.mu.Lock()
		p.hello.Link, p.linked = "", false
		p.mu.Unlock()
		return p.backOff(0)
	}
	p.stop(status)
	return 0
}

func (p *page) stop(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped == "" {
		p.stopped = strconv.Itoa(status)
	}
}

// backOff returns when to reconnect: when the server says, otherwise after a growing and
// random delay.
func (p *page) backOff(retry time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tries++; retry > 0 {
		return retry
	}
	return rand.N(500 * time.Millisecond << min(p.tries, 5))
}

// heard notes an event, after the tab has. mu is held.
func (p *page) heard(e frame.Event) {
	switch e.Name {
	case frame.EventHello:
		p.greetings = append(p.greetings, p.hello)
		p.linked = true
	case frame.EventDrain:
		var about struct{ Retry int }
		_ = json.Unmarshal(e.Data, &about)
		p.drain = time.Duration(about.Retry) * time.Millisecond
	case frame.EventEnd:
		p.stopped = "mirage-end " + string(e.Data)
	case frame.EventAck, frame.EventGap:
		return
	default:
		p.unacked = p.cid != ""
	}
	select {
	case p.stir <- struct{}{}:
	default:
	}
}

func (p *page) isGreeted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.linked
}

func (p *page) position() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pos.Epoch == 0 {
		return ""
	}
	return p.pos.String()
}

// id returns the id in the last hello.
func (p *page) id() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hello.ID
}

// allHellos returns all that came.
func (p *page) allHellos() []frame.Hello {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.greetings)
}

func (p *page) end() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

// name identifies the page in errors.
func (p *page) name() string { return fmt.Sprintf("%s %p", p.way, p) }
