package identity_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// testReplaced: Validate replaces the id of a logged-in visitor with the account's. A
// holder of the old id continues under the old id, at any node, and reads nothing of the
// account.
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
	f.sent(f.a.m.Send(t.Context(), "x", store.Text("before")))
	eventually(t, "the message from before", func() bool { return attacker.has("before") })

	// The victim logs in. The attacker's link ends, and he comes back without a log-in.
	victim := f.listen(f.a, x, "victim-000000000000000001", "Cookie", userCookie+"=victim")
	if h := <-victim.hello; h.ID != "account" || h.Previous != "x" {
		t.Fatalf("the victim's hello: %+v", h)
	}
	moved := time.Now()
	f.sent(f.a.m.Send(t.Context(), "account", store.Text("secret 1")))
	attacker.ends(t)
	for attacker = f.listen(f.b, x, mallory); attacker.status == 503; attacker = f.listen(f.b, x, mallory) {
		sleep(t.Context(), g.settle/10)
	}
	if h := <-attacker.hello; attacker.status != 200 || h.ID != "x" || h.Resumed || time.Since(moved) < g.settle*9/10 {
		t.Errorf("after %v the attacker gets %d and %+v", time.Since(moved), attacker.status, h)
	}

	// Each has a session of its own.
	for _, m := range []*session.Manager{f.a.m, f.b.m} {
		f.sent(m.Send(t.Context(), "account", store.Text("secret 2")))
		f.sent(m.Send(t.Context(), "x", store.Text("for x")))
	}
	eventually(t, "both messages for the account", func() bool { return victim.count("secret 2") == 2 })
	eventually(t, "both messages for x", func() bool { return attacker.count("for x") == 2 })
	if attacker.has("secret") || victim.has("for x") {
		t.Errorf("the attacker reads %q, the victim %q", attacker.text.String(), victim.text.String())
	}
}

const rounds = 100

// testRotateRace: an attacker with the old cookie opens streams at one node while the
// visitor logs in at the other. He reads nothing that is sent after the log-in.
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
		f.sent(f.a.m.Send(t.Context(), id, store.Text("secret")))

		stop.Store(true)
		wg.Wait()
		for _, l := range all {
			l.ends(t) // so nothing more can come
			if l.has("secret") {
				t.Fatalf("round %d: the holder of the old cookie reads what is sent to the new id", n)
			}
		}
		f.must(f.a.m.End(t.Context(), id))
	}
}

// testRevokeOutlived: if a value is renewed while its id is revoked, the new value is
// revoked as well.
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
				last := ""
				for !stop.Load() {
					target := []string{"/live?_wait=1&_mirage=", "/page?_mirage="}[k%2]
					_, value := call{node: f.b, method: "GET", target: target, value: stolen}.status(t)
					if f.idOf(value) == id {
						last = value
						renewed.Add(1)
					}
					asked.Add(1)
					sleep(t.Context(), g.pace)
				}
				_, signed, err := f.codec.Verify(cookie.ID, last)
				if err != nil {
					return // he got none
				}
				is, err := f.b.m.Resolve(t.Context(), id, store.Asked{Signed: signed, Came: f.b.m.Now()}, "")
				if err != nil || is.State == store.StateGood {
					t.Errorf("round %d: a cookie of the revoked id is %+v, %v", n, is, err)
				}
			})
		}

		for renewed.Load() < int32(1+n%10) {
			sleep(t.Context(), g.pace)
		}

		f.must(f.a.m.Revoke(t.Context(), id))
		was := asked.Load()
		for asked.Load() < was+6 { // the requests under way, and some more
			sleep(t.Context(), g.pace)
		}

		stop.Store(true)
		wg.Wait()
	}
}

// testRotateOtherNode: after Rotate at one node, the old cookie and its link tokens are
// invalid at the other.
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

	// On a machine that is slow, not all of these come before the move has settled.
	rotated := time.Now()
	for n := 0; n < 20 && (n == 0 || time.Since(rotated) < g.settle/2); n++ {
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

// testStaleHandle: a node still has a handle of a session that another node moved from x
// to y. It takes nothing meant for x into y, neither before nor after there is a new x.
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
		if _, err := f.b.m.Send(t.Context(), "x", store.Text("for x")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("b.Send to x after the move to y: %v", err)
		}
	}
	var batch session.Batch
	ended := func() bool { f.must(l.Take(t.Context(), &batch)); return batch.End != "" }
	if eventually(t, "the link's end", ended); batch.End != session.EndMoved {
		t.Errorf("the link ends as %q", batch.End)
	}
	l.Close()
	if _, err := f.b.m.Send(t.Context(), "x", store.Text("for x")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("b.Send to x after its link was closed: %v", err)
	}

	// Another client is x now.
	_, err := f.a.m.Open(t.Context(), "x")
	f.must(err)
	sent, err := f.b.m.Broadcast(t.Context(), store.Text("to all"))
	if err != nil || sent.Sessions != 2 {
		t.Errorf("Broadcast: %+v, %v", sent, err)
	}
	f.sent(f.b.m.Send(t.Context(), "x", store.Text("for the new x")))
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
		f.sent(f.a.m.Send(t.Context(), id, store.Text("secret")))
		poll := call{node: f.b, method: "GET", target: "/live?_wait=1&_cid=" + mallory, value: me, token: token}
		if status, _ := poll.status(t); status != 401 {
			t.Errorf("a poll with the old token: %d", status)
		}
		if l := f.listen(f.b, me, mallory); l.status != 403 {
			t.Errorf("a new link: %d", l.status)
		}
		if l.ends(t); l.has("secret") || f.messages() != was {
			t.Errorf("round %d: after Revalidate the link reads %q, and %d messages were handled",
				n, l.text.String(), f.messages()-was)
		}
		barred.Store(false)
	}
}

// testAttachAfterRevoke: a request passes the middleware before Revoke, and attaches
// after it.
func testAttachAfterRevoke(t *testing.T, g ground, one bool) {
	f := newField(t, g, one, middleware.Options{})
	for n := range rounds {
		id := fmt.Sprint("victim-", n)
		if n%2 == 0 { // or there is no session
			_, err := f.b.m.Open(t.Context(), id)
			f.must(err)
		}
		came := store.Asked{Signed: f.a.m.Now(), Came: f.a.m.Now()}
		if is, err := f.a.m.Resolve(t.Context(), id, came, ""); err != nil || is.State != store.StateGood {
			t.Fatalf("before Revoke: %+v, %v", is, err)
		}
		f.must(f.b.m.Revoke(t.Context(), id))
		refused := func(what string) {
			t.Helper()
			for _, m := range []*session.Manager{f.a.m, f.b.m} {
				_, err := m.Attach(t.Context(), session.Attach{ID: id, Reader: mallory, Asked: came})
				if !errors.Is(err, session.ErrSettling) {
					t.Errorf("round %d: Attach %s: %v", n, what, err)
				}
			}
		}
		refused("after Revoke")
		if _, err := f.a.m.Send(t.Context(), id, store.Text("secret")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("round %d: there is a session of the revoked id: %v", n, err)
		}

		// The old request is not valid in a later session, either.
		fresh := store.Asked{Signed: f.b.m.Now(), Came: f.b.m.Now()}
		l, err := f.b.m.Attach(t.Context(), session.Attach{ID: id, Reader: "victim", Asked: fresh})
		f.must(err)
		refused("to the next session of the id")
		l.Close()
		f.must(f.b.m.End(t.Context(), id))
	}
}

func TestI16ReplacedIDReadsNothing(t *testing.T) { inMemory.on(t, testReplaced) }

func TestI12RotateRace(t *testing.T) { inMemory.on(t, testRotateRace) }

func TestI12RotateRaceFar(t *testing.T) { inMemory.far().on(t, testRotateRace) }

func TestI13RevokeOutlived(t *testing.T) { inMemory.on(t, testRevokeOutlived) }

func TestI13RevokeOutlivedFar(t *testing.T) { inMemory.far().on(t, testRevokeOutlived) }

func TestI12RotateOtherNode(t *testing.T) { inMemory.on(t, testRotateOtherNode) }

func TestI12StaleHandle(t *testing.T) { inMemory.on(t, testStaleHandle) }

func TestI7RevalidateUpstream(t *testing.T) { inMemory.on(t, testRevalidate) }

func TestI13AttachAfterRevoke(t *testing.T) { inMemory.on(t, testAttachAfterRevoke) }
