package miragetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mirage-go/mirage/client"
)

// unloadTime is how long a page that is left may take to say goodbye.
const unloadTime = time.Second

// A Tab is one page of a visitor, with a client of its own. Its methods may be called
// concurrently.
type Tab struct {
	inbox
	path string
	o    client.Options
	http *http.Client

	mu     sync.Mutex // guards the fields below
	client *client.Client
	pages  int          // how often the page was loaded
	told   client.State // the last one in the story
	rooms  []*Room
	stop   context.CancelFunc // ends the loops over messages
	loops  *sync.WaitGroup
	addrs  []string // of connections
	stored []byte   // what sessionStorage is for a page
}

// Tab opens a page whose script connects to the live URL at path, and returns when it has
// a link. There may be one client.Options, for example with Transports. What concerns the
// browser, such as HTTPClient, is the visitor's.
func (v *Visitor) Tab(path string, o ...client.Options) *Tab {
	v.s.tb.Helper()
	t := v.newTab(path, o)
	ctx, cancel := context.WithTimeout(context.Background(), v.s.patience())
	defer cancel()
	if err := t.load(ctx); err != nil {
		v.fail("%s cannot connect: %v", t.name, err)
	}
	return t
}

// ExpectRefused opens a page, and ends the test unless the server refuses its link with
// that status. It returns the server's reason.
func (v *Visitor) ExpectRefused(path string, status int, o ...client.Options) *client.Error {
	v.s.tb.Helper()
	t := v.newTab(path, o)
	defer t.Close()
	ctx, cancel := context.WithTimeout(context.Background(), v.s.patience())
	defer cancel()
	onState := t.o.OnState
	t.o.OnState = func(s client.State) { // the client would go on after 503
		if e, ok := errors.AsType[*client.Error](s.Err); ok && e.Status == status {
			cancel()
		}
		if onState != nil {
			onState(s)
		}
	}
	err := t.load(ctx)
	if err == nil {
		v.fail("the link of %s is granted, want status %d", t.name, status)
	}
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Status != status {
		v.fail("%s cannot connect: %v, want status %d", t.name, err, status)
	}
	return e
}

// newTab returns a tab whose page is not loaded yet.
func (v *Visitor) newTab(path string, options []client.Options) *Tab {
	v.s.tb.Helper()
	v.s.settle()
	t := &Tab{path: v.resolve(path).String()}
	t.http = v.browse(false, t.dial)
	if len(options) > 1 {
		v.s.tb.Fatalf("miragetest: Tab takes one client.Options, not %d", len(options))
	}
	if len(options) == 1 {
		t.o = options[0]
	}
	if t.o.HTTPClient != nil || t.o.Jar != nil || t.o.Persist != nil {
		v.s.tb.Fatalf("miragetest: Tab: HTTPClient, Jar and Persist are the visitor's: leave them nil")
	}
	t.o.HTTPClient, t.o.Persist = t.http, storage{t}
	if t.o.Logger == nil {
		t.o.Logger = slog.New(slog.DiscardHandler)
	}
	if t.o.MaxDelay == 0 && !v.s.memory {
		t.o.MaxDelay = time.Second
	}

	v.mu.Lock()
	defer v.mu.Unlock()
	v.opened++
	t.init(t, v, fmt.Sprintf("tab %d", v.opened))
	v.tabs = append(v.tabs, t)
	return t
}

// load loads the page: its client connects, and joins the rooms of the page before.
func (t *Tab) load(ctx context.Context) error {
	t.mu.Lock()
	t.pages++
	page, o := t.pages, t.o
	t.mu.Unlock()

	onState := t.o.OnState
	o.OnState = func(s client.State) {
		t.mu.Lock()
		isOld := page != t.pages
		t.mu.Unlock()
		if !isOld {
			t.tell(s)
		}
		if onState != nil {
			onState(s)
		}
	}
	c, err := client.Dial(ctx, t.path, o)
	if err != nil {
		return err
	}

	t.tell(c.State())
	loop, stop := context.WithCancel(context.Background())
	t.mu.Lock()
	t.client, t.stop, t.loops = c, stop, &sync.WaitGroup{}
	t.loops.Go(func() { t.read(loop, c.Messages) })
	t.mu.Unlock()
	return nil
}

// errPage ends a room with its page.
var errPage = errors.New("its page was left")

// unload ends the page.
func (t *Tab) unload(ctx context.Context) {
	t.mu.Lock()
	t.pages++ // states of the old client are no news
	t.told = client.State{}
	c, stop, loops, rooms := t.client, t.stop, t.loops, t.rooms
	t.rooms = nil
	t.mu.Unlock()
	if c != nil {
		stop()
		loops.Wait()     // what was handled counts as delivered
		_ = c.Close(ctx) // what was not sent is stored
	}
	for _, r := range rooms {
		r.take(client.Message{}, errPage)
	}
	t.http.CloseIdleConnections()
}

// tell notes a state, unless it is known.
func (t *Tab) tell(s client.State) {
	t.mu.Lock()
	isNew := t.told != s
	t.told = s
	t.mu.Unlock()
	if !isNew {
		return
	}
	switch s.Phase {
	case client.PhaseOpen:
		t.v.story.add("%s: open, %s", t.name, s.Transport)
	case client.PhaseWaiting:
		if e, ok := errors.AsType[*client.Error](s.Err); ok && e.Status == 0 { // how the network failed is chance
			t.v.story.add("%s: no link, trying again", t.name)
		} else {
			t.v.story.add("%s: no link, trying again: %v", t.name, s.Err)
		}
	}
	t.notify()
}

// Client returns the client of the page, for what a Tab has no method for. Messages
// belongs to the tab.
func (t *Tab) Client() *client.Client {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.client
}

// Visitor returns the visitor whose tab it is.
func (t *Tab) Visitor() *Visitor { return t.v }

// ID returns the mirage id of the visitor, as the server said last.
func (t *Tab) ID() string { return t.Client().ID() }

// Reload loads the page again. A new client continues from what the one before has
// stored, as mirage.js does with sessionStorage. Rooms end with the page, so call Join
// again, as the page's script does.
func (t *Tab) Reload() {
	t.v.s.tb.Helper()
	t.v.s.settle()
	ctx, cancel := context.WithTimeout(context.Background(), unloadTime)
	defer cancel()
	t.unload(ctx)
	t.v.story.add("%s: reload", t.name)

	ctx, cancel = context.WithTimeout(context.Background(), t.v.s.patience())
	defer cancel()
	if err := t.load(ctx); err != nil {
		t.fail("%s cannot connect after its reload: %v", t.name, err)
	}
}

// Close closes the tab. The server cannot tell that from a reload, so the application
// learns ten seconds later that the tab is gone. A second call does nothing.
func (t *Tab) Close() {
	t.v.s.settle()
	ctx, cancel := context.WithTimeout(context.Background(), unloadTime)
	defer cancel()
	t.shut(ctx)
}

// shut closes the tab. If ctx has ended, it says nothing to the server.
func (t *Tab) shut(ctx context.Context) {
	t.v.mu.Lock()
	i := slices.Index(t.v.tabs, t)
	if i >= 0 {
		t.v.tabs = slices.Delete(t.v.tabs, i, i+1)
	}
	t.v.mu.Unlock()
	if i >= 0 {
		t.unload(ctx)
		t.v.story.add("%s: closed by the visitor", t.name)
	}
}

// Cut resets the connections of the tab, and returns when the client knows. It comes back
// by itself, usually within a second.
func (t *Tab) Cut() {
	t.v.s.settle()
	t.v.story.add("%s: cut", t.name)
	t.mu.Lock()
	addrs := t.addrs
	t.addrs = nil
	t.mu.Unlock()
	n := t.v.proxy.cut(RST, func(c *conn) bool { return slices.Contains(addrs, c.client.RemoteAddr().String()) })
	if n > 0 {
		t.waitForLoss()
	}
}

// waitForLoss waits until the client knows that its connection is dead. One that polls
// may have had none.
func (t *Tab) waitForLoss() {
	t.wait(time.Second, func() bool { return t.Client().State().Phase != client.PhaseOpen })
}

// Switch moves the tab to another transport, such as client.Poll, without a break.
func (t *Tab) Switch(transport string) {
	t.v.s.tb.Helper()
	t.v.s.settle()
	ctx, cancel := context.WithTimeout(context.Background(), t.v.s.patience())
	defer cancel()
	if err := t.Client().Use(ctx, transport); err != nil {
		t.fail("%s cannot switch to %s: %v", t.name, transport, err)
	}
}

// ExpectState waits until the client is in a phase, such as client.PhaseOpen, and returns
// the state.
func (t *Tab) ExpectState(phase client.Phase) client.State {
	t.v.s.tb.Helper()
	var s client.State
	if !t.wait(t.v.s.patience(), func() bool { s = t.Client().State(); return s.Phase == phase }) {
		t.fail("%s is %v, want %v", t.name, s.Phase, phase)
	}
	return s
}

// dial connects to the server, and notes whose connection it is.
func (t *Tab) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := t.v.dial(ctx, network, addr)
	if err == nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.addrs = append(t.addrs, c.LocalAddr().String())
	}
	return c, err
}
