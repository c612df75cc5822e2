package identity_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// How somebody logs in.
const (
	byRotate  = "rotate"  // the log-in calls Rotate
	byReplace = "replace" // Validate replaces the id of who has logged in by the account's
	byBoth    = "both"
)

// An app is an application with accounts, and what a test wants to know of it.
type app struct {
	*ledger
	mode   string          // one of byRotate, byReplace, byBoth
	delays []time.Duration // how long Validate takes, at random; without any there is no Validate where none is needed
	dice   *dice

	mu      sync.Mutex
	hurry   time.Time         // until when attackers do
	wake    chan struct{}     // closed when they are to begin
	users   map[string]string // by the application's own cookie: the account
	secrets map[string]string // by what a log-in proves: the account
	closed  map[string]bool   // ids with which nobody but the account's owner gets through Validate
	handled map[string]int    // what honest tabs sent, and how often it came without Again
	tried   map[grant]int     // messages sent, or being sent
	counts  map[grant]int     // messages sent
	alls    []broadcast
	joins   int              // moves to an account, which may have had a session
	claims  map[string]claim // by the messages of attackers
	fed     map[grant]bool   // somebody sends for it
	news    chan grant       // gets the identity of the next log-in
}

// A broadcast went out between two stamps.
type broadcast struct{ begun, acked stamp }

// userCookie is the cookie of the application's own session. Attackers do not have it.
const userCookie = "user"

func newApp(l *ledger, mode string, delays []time.Duration, d *dice) *app {
	return &app{
		ledger: l, mode: mode, delays: delays, dice: d,
		users: map[string]string{}, secrets: map[string]string{}, closed: map[string]bool{},
		handled: map[string]int{}, tried: map[grant]int{}, counts: map[grant]int{},
		claims: map[string]claim{}, fed: map[grant]bool{}, wake: make(chan struct{}),
	}
}

// hot lets attackers hurry for a second: something is about to happen with which they can race.
func (a *app) hot() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hurry = time.Now().Add(time.Second)
	close(a.wake)
	a.wake = make(chan struct{})
}

// rest is what an attacker does between two requests.
func (a *app) rest(ctx context.Context, d *dice) {
	a.mu.Lock()
	hurry, wake := time.Now().Before(a.hurry), a.wake
	a.mu.Unlock()
	if hurry {
		sleep(ctx, d.upTo(pick(d, time.Microsecond, time.Millisecond, 40*time.Millisecond, 400*time.Millisecond)))
		return
	}
	timer := time.NewTimer(d.upTo(3 * time.Second))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
	}
}

// options are those of each node's Manager.
func (a *app) options() session.Options {
	return session.Options{
		Rate: -1,
		OnMessage: func(_ context.Context, s *session.Session, in session.Incoming) error {
			a.name("Incoming.Writer", in.Writer)
			a.message(s.ID(), in)
			return nil
		},
		OnAttach: func(_ context.Context, _ *session.Session, r session.ReaderInfo) { a.name("OnAttach", r.Reader) },
		OnDetach: func(_ context.Context, _ *session.Session, r session.ReaderInfo) { a.name("OnDetach", r.Reader) },
		OnGap: func(_ context.Context, s *session.Session, r session.ReaderInfo, lost session.Lost) {
			a.name("OnGap", r.Reader)
			a.note("a gap for %s: %v", s.ID(), lost)
		},
		OnEnd: func(_ context.Context, e session.Ended) {
			a.note("the session %s has ended", e.ID)
		},
	}
}

// message is a call of OnMessage.
func (a *app) message(id string, in session.Incoming) {
	text := string(in.Data)
	a.mu.Lock()
	c, evil := a.claims[text]
	if !evil && !in.Again {
		a.handled[text]++
	}
	a.mu.Unlock()
	if evil {
		a.saw(sighting{kind: taken, what: c.what, who: c.who, sent: c.sent, since: c.token, id: id})
	}
}

// validate is the hook, where the application has one.
func (a *app) validate() func(*http.Request, string) (string, error) {
	if a.mode == byRotate && len(a.delays) == 0 {
		return nil
	}
	return func(r *http.Request, id string) (string, error) {
		if len(a.delays) > 0 && !sleep(r.Context(), pick(a.dice, a.delays...)) {
			return "", r.Context().Err()
		}
		user := a.user(r)
		switch {
		case user == "" && a.isClosed(id):
			return "", errors.New("barred")
		case user != "" && id != user && a.mode != byRotate:
			return user, nil
		}
		return "", nil
	}
}

// user is the account that the request is logged in to; "" for none.
func (a *app) user(r *http.Request) string {
	c, err := r.Cookie(userCookie)
	if err != nil {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.users[c.Value]
}

func (a *app) isClosed(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.closed[id]
}

// routes are the application's own.
func (a *app) routes(mux *http.ServeMux, _ *session.Manager) {
	mux.HandleFunc("/page", func(_ http.ResponseWriter, r *http.Request) {
		if id, ok := middleware.FromContext(r.Context()); ok {
			a.name("FromContext", id.Client)
			a.name("FromContext", id.Reader)
		}
	})
	mux.HandleFunc("POST /login", a.logIn)
	mux.HandleFunc("POST /logout", a.logOut)
	mux.HandleFunc("POST /switch", func(w http.ResponseWriter, r *http.Request) {
		a.logOut(w, r)
		if _, err := middleware.Rotate(w, r); err != nil {
			a.note("Rotate after Logout: %v", err)
		}
	})
}

// logIn is for whoever knows a secret, and for attackers, who get an id and no account.
func (a *app) logIn(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	account := a.secrets[r.Header.Get("Secret")]
	session := rand.Text()
	if account != "" {
		a.users[session] = account
		http.SetCookie(w, &http.Cookie{Name: userCookie, Value: session})
	}
	a.mu.Unlock()
	if account != "" && a.mode == byReplace {
		w.Header().Set("Id", account)
		return
	}
	old, _ := middleware.FromContext(r.Context())
	id, err := middleware.Rotate(w, r)
	switch {
	case id == "":
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	case account != "":
		g := a.guard(id)
		a.mu.Lock()
		news := a.news
		a.news = nil
		a.mu.Unlock()
		if news != nil {
			news <- g
		}
		w.Header().Set("Id", id)
	default: // the id is another's from now on: who has it still is told to stop in time
		a.stop(old.ID)
	}
	a.note("log-in of %q: %s, %v", account, id, err)
}

func (a *app) logOut(w http.ResponseWriter, r *http.Request) {
	if err := middleware.Logout(w, r); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	if c, err := r.Cookie(userCookie); err == nil {
		a.mu.Lock()
		delete(a.users, c.Value)
		a.mu.Unlock()
		http.SetCookie(w, &http.Cookie{Name: userCookie, MaxAge: -1})
	}
}

// sessions notes what becomes of ids, at the very moment at which it is acknowledged.
func (a *app) sessions(m *session.Manager) middleware.Sessions { return &watched{m, a} }

// watched is a Manager whose acknowledgements are noted.
type watched struct {
	*session.Manager
	a *app
}

func (w *watched) Replace(ctx context.Context, from, to string, asked store.Asked, client string) error {
	begun := w.a.now()
	err := w.Manager.Replace(ctx, from, to, asked, client)
	w.a.note("Replace(%s, %s): %v", from, to, err)
	if err == nil {
		w.a.leave(from, to, begun)
		w.a.move(from, to)
		w.a.mu.Lock()
		w.a.joins++
		w.a.mu.Unlock()
	}
	return err
}

func (w *watched) Rotate(ctx context.Context, from, to string, asked store.Asked) error {
	begun := w.a.now()
	err := w.Manager.Rotate(ctx, from, to, asked)
	w.a.note("Rotate(%s, %s): %v", from, to, err)
	if err == nil {
		w.a.revoke(from, begun, false)
		w.a.move(from, to)
	}
	return err
}

func (w *watched) Revoke(ctx context.Context, id string) error {
	begun := w.a.now()
	err := w.Manager.Revoke(ctx, id)
	if err == nil {
		w.a.revoke(id, begun, true)
	}
	return err
}

// feeds reports whether the caller is the first to send for a grant.
func (a *app) feeds(g grant) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	first := !a.fed[g]
	a.fed[g] = true
	return first
}

// send sends the next message for a grant, and reports whether there was a session for it. One
// goroutine at a time may send for a grant.
func (a *app) send(ctx context.Context, m *session.Manager, g grant) bool {
	a.mu.Lock()
	n := a.counts[g] + 1
	a.tried[g] = n
	a.mu.Unlock()
	err := m.Send(ctx, g.id, session.Text(fmt.Sprintf("secret=%s/%d/%d/%d;", g.id, g.life, n, a.now().n)))
	if err != nil {
		a.note("message %d for %v: %v", n, g, err)
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counts[g] = n
	return true
}

// sent is how many messages were sent, or are being sent, for whatever the id stands for now.
func (a *app) sent(id string) (g grant, n int) {
	a.ledger.mu.Lock()
	g = grant{id, a.guarded[id]}
	a.ledger.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	return g, a.tried[g]
}

// toAll sends a broadcast.
func (a *app) toAll(ctx context.Context, m *session.Manager) {
	begun := a.now()
	a.mu.Lock()
	a.alls = append(a.alls, broadcast{begun: begun})
	n := len(a.alls)
	a.mu.Unlock()
	if _, err := m.Broadcast(ctx, session.Text(fmt.Sprintf("all %d", n))); err != nil {
		a.note("broadcast %d: %v", n, err)
		return
	}
	acked := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.alls[n-1].acked = acked
}

var secretText = regexp.MustCompile(`secret=([A-Za-z0-9._-]+)/(\d+)/(\d+)/(\d+);`)

// parseSecret reads what send wrote.
func parseSecret(text string) (g grant, n int, sent int64, ok bool) {
	m := secretText.FindStringSubmatch(text)
	if m == nil {
		return g, 0, 0, false
	}
	life, _ := strconv.Atoi(m[2])
	n, _ = strconv.Atoi(m[3])
	sent, _ = strconv.ParseInt(m[4], 10, 64)
	return grant{m[1], life}, n, sent, true
}

// A claim says who has sent a message, when, and on a token that he got when.
type claim struct {
	what        string
	who         *attacker
	sent, token stamp
}

// claim returns the text of an attacker's message.
func (a *app) claim(c claim) string {
	text := fmt.Sprintf("evil %s %d", c.who.name, c.sent.n)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.claims[text] = c
	return text
}
