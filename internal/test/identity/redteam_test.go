package identity_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// A ground is where the same test is fought out: in memory or on Redis.
type ground struct {
	name   string
	stores func(testing.TB) [2]session.Store // of two nodes
	listen func(testing.TB) (net.Listener, dialer)
	in     func(*testing.T, func(*testing.T))
	settle time.Duration // of the stores' moves
	pace   time.Duration // between two requests of one attacker; in a bubble it lets others run
}

// inMemory is a bubble, where time costs nothing.
var inMemory = ground{
	name: "memory",
	stores: func(testing.TB) [2]session.Store {
		m := session.NewMemory(0)
		return [2]session.Store{m, m}
	},
	listen: listenMemory,
	in: func(t *testing.T, f func(*testing.T)) {
		synctest.Test(t, func(t *testing.T) {
			t.Cleanup(func() { time.Sleep(time.Minute) }) // net/http lingers after an early answer
			f(t)
		})
	},
	settle: store.Settle,
	pace:   time.Microsecond,
}

// on runs f on a ground with the nodes of every shape: two, and one that is both.
func (g ground) on(t *testing.T, f func(t *testing.T, g ground, one bool)) {
	for _, one := range []bool{false, true} {
		t.Run(map[bool]string{false: "two nodes", true: "one node"}[one], func(t *testing.T) {
			g.in(t, func(t *testing.T) { f(t, g, one) })
		})
	}
}

// within is the ground with moves that settle after that time.
func (g ground) within(settle time.Duration) ground {
	as := g.stores
	g.settle = settle
	g.stores = func(t testing.TB) [2]session.Store {
		both := as(t)
		for i := range both {
			both[i] = sooner{both[i], settle}
		}
		return both
	}
	return g
}

// far is the ground with a store that is far away.
func (g ground) far() ground {
	near := g.stores
	g.pace = time.Millisecond
	g.stores = func(t testing.TB) [2]session.Store {
		both := near(t)
		for i := range both {
			both[i] = &slow{both[i], newDice(uint64(i), 1)}
		}
		return both
	}
	return g
}

// field is a site with what the tests here need.
type field struct {
	*site
	a, b *node

	mu      sync.Mutex
	handled []string // the ids in whose name a message was handled
}

func newField(t *testing.T, g ground, one bool, o middleware.Options) *field {
	f := new(field)
	f.site = newSite(t, setup{
		stores: g.stores(t), listen: g.listen, identity: o,
		session: session.Options{Rate: -1, OnMessage: func(_ context.Context, s *session.Session, _ session.Incoming) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.handled = append(f.handled, s.ID())
			return nil
		}},
		routes: func(mux *http.ServeMux, _ *session.Manager) {
			mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
				if _, err := middleware.Rotate(w, r); err != nil {
					t.Errorf("Rotate: %v", err)
				}
			})
		},
	})
	f.a, f.b = f.nodes[0], f.nodes[1]
	if one {
		f.b = f.a
	}
	return f
}

func (f *field) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// messages is how many messages were handled.
func (f *field) messages() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.handled)
}

const mallory = "mallory-00000000000000001"

// A listener is a link by stream, and all that came down on it.
type listener struct {
	status int
	cancel context.CancelFunc
	hello  chan frame.Hello // closed without one
	done   chan struct{}

	mu   sync.Mutex
	text strings.Builder
}

// listen begins a link. Without one the listener is done.
func (f *field) listen(n *node, value, cid string, more ...string) *listener {
	f.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &listener{cancel: cancel, hello: make(chan frame.Hello, 1), done: make(chan struct{})}
	f.Cleanup(func() { cancel(); <-l.done })
	res, err := call{node: n, method: "GET", target: "/live?_cid=" + cid, value: value, more: more}.do(ctx)
	f.must(err)
	l.status = res.StatusCode
	go l.read(res.Body)
	return l
}

func (l *listener) read(body io.ReadCloser) {
	defer close(l.done)
	defer body.Close()
	parser, greeted := frame.NewParser(64<<10), false
	buf := make([]byte, 4096)
	for {
		n, err := body.Read(buf)
		l.mu.Lock()
		l.text.Write(buf[:n])
		l.mu.Unlock()
		parser.Feed(buf[:n])
		for e, ok, _ := parser.Next(); ok; e, ok, _ = parser.Next() {
			if !greeted {
				l.hello <- parseHello(e)
			}
			greeted = true
		}
		if err != nil {
			if !greeted {
				close(l.hello)
			}
			return
		}
	}
}

func (l *listener) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// eventually waits for a condition, for ten seconds at most.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for late := time.Now().Add(10 * time.Second); !is(); {
		if time.Now().After(late) {
			t.Fatalf("ten seconds, and not %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// ends waits for the end of a link.
func (l *listener) ends(t testing.TB) {
	t.Helper()
	select {
	case <-l.done:
	case <-time.After(10 * time.Second):
		t.Fatal("ten seconds, and the link has not ended")
	}
}

// up is a numbered message.
func up(n int) string {
	m := session.Text("x")
	return string(frame.AppendUpstream(frame.AppendUp(nil, frame.Up{Writer: mallory, Base: 1}), uint64(n), &m))
}

// post sends a numbered message on a link token.
func (f *field) post(n *node, value, token string, number int) (status int) {
	f.Helper()
	status, _ = call{
		node: n, method: "POST", target: "/live", value: value, token: token,
		more: []string{"Content-Type", "text/event-stream"}, body: strings.NewReader(up(number)),
	}.status(f)
	return status
}

// testReplaced: Validate replaces the id of who has logged in by the account's. Who holds the old
// id goes on as that, at any node, and reads nothing of the account.
func testReplaced(t *testing.T, g ground, one bool) {
	f := newField(t, g, one, middleware.Options{Validate: func(r *http.Request, id string) (string, error) {
		if c, err := r.Cookie(userCookie); err == nil && c.Value == "victim" && id != "account" {
			return "account", nil
		}
		return "", nil
	}})
	x := f.sign("x") // planted in the victim's browser
	attacker := f.listen(f.b, x, mallory)
	<-attacker.hello
	f.must(f.a.m.Send(t.Context(), "x", session.Text("before")))
	eventually(t, "the message from before", func() bool { return attacker.has("before") })

	// The victim logs in. The attacker's link ends, and he comes back without a log-in.
	victim := f.listen(f.a, x, "victim-000000000000000001", "Cookie", userCookie+"=victim")
	if h := <-victim.hello; h.ID != "account" || h.Previous != "x" {
		t.Fatalf("the victim's hello: %+v", h)
	}
	moved := time.Now()
	f.must(f.a.m.Send(t.Context(), "account", session.Text("secret 1")))
	attacker.ends(t)
	for attacker = f.listen(f.b, x, mallory); attacker.status == 503; attacker = f.listen(f.b, x, mallory) {
		sleep(t.Context(), g.settle/10)
	}
	if h := <-attacker.hello; attacker.status != 200 || h.ID != "x" || h.Resumed || time.Since(moved) < g.settle*9/10 {
		t.Errorf("after %v the attacker gets %d and %+v", time.Since(moved), attacker.status, h)
	}

	// Each has a session of its own.
	for _, m := range []*session.Manager{f.a.m, f.b.m} {
		f.must(m.Send(t.Context(), "account", session.Text("secret 2")))
		f.must(m.Send(t.Context(), "x", session.Text("for x")))
	}
	eventually(t, "both messages for the account", func() bool { return victim.count("secret 2") == 2 })
	eventually(t, "both messages for x", func() bool { return attacker.count("for x") == 2 })
	if attacker.has("secret") || victim.has("for x") {
		t.Errorf("the attacker reads %q, the victim %q", attacker.text.String(), victim.text.String())
	}
}

func (l *listener) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

const rounds = 100

// testRotateRace: an attacker with the old cookie opens streams at one node all the while when the
// visitor logs in at another. He reads nothing of what is sent from then on.
func testRotateRace(t *testing.T, g ground, one bool) {
	f := newField(t, g, one, middleware.Options{})
	for n := range rounds {
		old := f.sign(fmt.Sprint("old-", n))
		first := f.listen(f.b, old, fmt.Sprintf("mallory-%022d", n))
		<-first.hello
		var stop atomic.Bool
		var opened atomic.Int32
		var mu sync.Mutex
		all := []*listener{first}
		var wg sync.WaitGroup
		for k := range 4 {
			wg.Go(func() {
				for i := 0; !stop.Load(); i++ {
					sleep(t.Context(), g.pace)
					l := f.listen(f.b, old, fmt.Sprintf("m-%04d-%02d-%016d", n, k, i))
					mu.Lock()
					all = append(all, l)
					mu.Unlock()
					opened.Add(1)
					if l.status != 200 {
						return
					}
				}
			})
		}
		for opened.Load() < int32(n%10) {
			sleep(t.Context(), g.pace)
		}
		status, value := call{node: f.a, method: "POST", target: "/login", value: old}.status(t)
		id := f.idOf(value)
		if status != 200 || id == "" {
			t.Fatalf("log-in: %d %q", status, value)
		}
		f.must(f.a.m.Send(t.Context(), id, session.Text("secret")))
		stop.Store(true)
		wg.Wait()
		for _, l := range all {
			l.ends(t) // so there is nothing to come
			if l.has("secret") {
				t.Fatalf("round %d: the holder of the old cookie reads what is sent to the new id", n)
			}
		}
		f.must(f.a.m.End(t.Context(), id))
	}
}

// testRevokeOutlived: a value that is renewed while its id is revoked does not outlive that.
func testRevokeOutlived(t *testing.T, g ground, one bool) {
	f := newField(t, g, one, middleware.Options{})
	for n := range rounds {
		id := fmt.Sprint("victim-", n)
		stolen, err := f.codec.SignAt(cookie.ID, id, f.a.m.Now().Add(-20*24*time.Hour)) // due for renewal
		f.must(err)
		var stop atomic.Bool
		var renewed, asked atomic.Int32
		var wg sync.WaitGroup
		for k := range 4 {
			wg.Go(func() {
				for last := ""; ; sleep(t.Context(), g.pace) {
					if stop.Load() {
						if _, signed, err := f.codec.Verify(cookie.ID, last); err == nil {
							asked := store.Asked{Signed: signed, Came: f.b.m.Now()}
							if is, err := f.b.m.Resolve(t.Context(), id, asked, ""); err != nil || is.State == store.Good {
								t.Errorf("round %d: a cookie of the revoked id is %+v, %v", n, is, err)
							}
						}
						return
					}
					target := []string{"/live?_wait=1&_mirage=", "/page?_mirage="}[k%2]
					if _, value := (call{node: f.b, method: "GET", target: target, value: stolen, more: []string{"Accept", "text/plain"}}).status(t); f.idOf(value) == id {
						last = value
						renewed.Add(1)
					}
					asked.Add(1)
				}
			})
		}
		for renewed.Load() < int32(1+n%10) {
			sleep(t.Context(), g.pace)
		}
		f.must(f.a.m.Revoke(t.Context(), id))
		was := asked.Load()
		for asked.Load() < was+6 { // those that were under way, and some more
			sleep(t.Context(), g.pace)
		}
		stop.Store(true)
		wg.Wait()
	}
}

// testRotateOtherNode: after Rotate at one node the old cookie and its link tokens are worth
// nothing at the other.
func testRotateOtherNode(t *testing.T, g ground, one bool) {
	f := newField(t, g, one, middleware.Options{})
	old := f.sign("before")
	l := f.listen(f.b, old, mallory)
	token := (<-l.hello).Link
	if status := f.post(f.b, old, token, 1); status != 200 {
		t.Fatalf("before Rotate: %d", status)
	}
	if status, _ := (call{node: f.a, method: "POST", target: "/login", value: old}).status(t); status != 200 {
		t.Fatalf("Rotate: %d", status)
	}
	for n := range 20 {
		if status := f.post(f.b, old, token, 2+n); status != 401 {
			t.Errorf("a POST with the old token: %d", status)
		}
		plain := call{node: f.b, method: "POST", target: "/live", value: old, body: strings.NewReader("x")}
		if status, value := plain.status(t); status != 503 || value != "" {
			t.Errorf("a POST without a token: %d, cookie %q", status, value)
		}
		if l := f.listen(f.b, old, mallory); l.status != 503 {
			t.Errorf("a new link: %d", l.status)
		}
	}
	l.ends(t)
	if f.messages() != 1 {
		t.Errorf("handled as %q", f.handled)
	}
	sleep(t.Context(), g.settle)
	if l := f.listen(f.b, old, mallory); l.status != 410 {
		t.Errorf("a new link after %v: %d", g.settle, l.status)
	}
}

// testStaleHandle: a node that still has to do with a session that another one moved from x to y
// takes nothing for y that is for x, neither before nor after there is another x.
func testStaleHandle(t *testing.T, g ground, one bool) {
	f := newField(t, g, one, middleware.Options{})
	attach := func(m *session.Manager, id, reader string) *session.Link {
		l, err := m.Attach(t.Context(), session.Attach{ID: id, Reader: reader})
		f.must(err)
		return l
	}
	l := attach(f.b.m, "x", mallory)
	f.must(f.a.m.Move(t.Context(), "x", "y", ""))
	for range 2 {
		if err := f.b.m.Send(t.Context(), "x", session.Text("for x")); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("b.Send to x after the move to y: %v", err)
		}
	}
	var batch session.Batch
	ended := func() bool { f.must(l.Take(t.Context(), &batch)); return batch.End != "" }
	if eventually(t, "the link's end", ended); batch.End != session.Moved {
		t.Errorf("the link ends as %q", batch.End)
	}
	l.Close()
	if err := f.b.m.Send(t.Context(), "x", session.Text("for x")); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("b.Send to x after its link was closed: %v", err)
	}

	// Somebody else is x now.
	_, err := f.a.m.Open(t.Context(), "x")
	f.must(err)
	sent, err := f.b.m.Broadcast(t.Context(), session.Text("to all"))
	if err != nil || sent.Sessions != 2 {
		t.Errorf("Broadcast: %+v, %v", sent, err)
	}
	f.must(f.b.m.Send(t.Context(), "x", session.Text("for the new x")))
	for id, want := range map[string]string{"x": "to all,for the new x", "y": "to all"} {
		l := attach(f.a.m, id, "fresh-000000000000000000")
		defer l.Close()
		var got []string
		for more := true; more; more = len(batch.Entries) > 0 {
			f.must(l.Take(t.Context(), &batch))
			for _, e := range batch.Entries {
				got = append(got, string(e.Message.Data))
			}
		}
		if strings.Join(got, ",") != want {
			t.Errorf("%s has %q, want %s", id, got, want)
		}
	}
}

// testRevalidate: after Revalidate no message passes without Validate.
func testRevalidate(t *testing.T, g ground, one bool) {
	var barred atomic.Bool
	f := newField(t, g, one, middleware.Options{Validate: func(*http.Request, string) (string, error) {
		if barred.Load() {
			return "", errors.New("barred")
		}
		return "", nil
	}})
	for n := range rounds {
		id := fmt.Sprint("mallory-", n)
		me := f.sign(id)
		l := f.listen(f.b, me, mallory)
		token := (<-l.hello).Link
		if status := f.post(f.b, me, token, 1); status != 200 {
			t.Fatalf("before Revalidate: %d", status)
		}
		was := f.messages()
		barred.Store(true)
		f.must(f.a.m.Revalidate(t.Context(), id))
		if status := f.post(f.b, me, token, 2); status != 401 {
			t.Errorf("a POST with the old token: %d", status)
		}
		f.must(f.a.m.Send(t.Context(), id, session.Text("secret")))
		poll := call{node: f.b, method: "GET", target: "/live?_wait=1&_cid=" + mallory, value: me, token: token}
		if status, _ := poll.status(t); status != 401 {
			t.Errorf("a poll with the old token: %d", status)
		}
		if l := f.listen(f.b, me, mallory); l.status != 403 {
			t.Errorf("a new link: %d", l.status)
		}
		if l.ends(t); l.has("secret") || f.messages() != was {
			t.Errorf("round %d: after Revalidate the link reads %q, and %d messages were handled", n, l.text.String(), f.messages()-was)
		}
		barred.Store(false)
	}
}

// testAttachAfterRevoke: a request that passed the middleware before Revoke attaches after it.
func testAttachAfterRevoke(t *testing.T, g ground, one bool) {
	f := newField(t, g, one, middleware.Options{})
	for n := range rounds {
		id := fmt.Sprint("victim-", n)
		if n%2 == 0 { // or there is no session
			_, err := f.b.m.Open(t.Context(), id)
			f.must(err)
		}
		came := store.Asked{Signed: f.a.m.Now(), Came: f.a.m.Now()}
		if is, err := f.a.m.Resolve(t.Context(), id, came, ""); err != nil || is.State != store.Good {
			t.Fatalf("before Revoke: %+v, %v", is, err)
		}
		f.must(f.b.m.Revoke(t.Context(), id))
		refused := func(what string) {
			t.Helper()
			for _, m := range []*session.Manager{f.a.m, f.b.m} {
				if _, err := m.Attach(t.Context(), session.Attach{ID: id, Reader: mallory, Asked: came}); !errors.Is(err, session.ErrSettling) {
					t.Errorf("round %d: Attach %s: %v", n, what, err)
				}
			}
		}
		refused("after Revoke")
		if err := f.a.m.Send(t.Context(), id, session.Text("secret")); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("round %d: there is a session of the revoked id: %v", n, err)
		}

		// Nor does it count in a later session.
		l, err := f.b.m.Attach(t.Context(), session.Attach{ID: id, Reader: "victim", Asked: store.Asked{Signed: f.b.m.Now(), Came: f.b.m.Now()}})
		f.must(err)
		refused("to the next session of the id")
		l.Close()
		f.must(f.b.m.End(t.Context(), id))
	}
}

func TestI16ReplacedIDReadsNothing(t *testing.T) { inMemory.on(t, testReplaced) }
func TestI12RotateRace(t *testing.T)             { inMemory.on(t, testRotateRace) }
func TestI12RotateRaceFar(t *testing.T)          { inMemory.far().on(t, testRotateRace) }
func TestI13RevokeOutlived(t *testing.T)         { inMemory.on(t, testRevokeOutlived) }
func TestI13RevokeOutlivedFar(t *testing.T)      { inMemory.far().on(t, testRevokeOutlived) }
func TestI12RotateOtherNode(t *testing.T)        { inMemory.on(t, testRotateOtherNode) }
func TestI12StaleHandle(t *testing.T)            { inMemory.on(t, testStaleHandle) }
func TestI7RevalidateUpstream(t *testing.T)      { inMemory.on(t, testRevalidate) }
func TestI13AttachAfterRevoke(t *testing.T)      { inMemory.on(t, testAttachAfterRevoke) }
