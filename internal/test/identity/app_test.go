package identity_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// The ways to log in.
const (
	byRotate  = "rotate"  // the log-in calls Rotate
	byReplace = "replace" // Validate replaces the id of a logged-in visitor with the account's
	byBoth    = "both"
)

// An app is an application with accounts. It records what the tests have to know of it.
type app struct {
	*ledger
	mode   string          // one of byRotate, byReplace, byBoth
	delays []time.Duration // random durations of Validate; if empty, there is no Validate unless mode needs it
	dice   *dice

	mu      sync.Mutex
	blurred bool              // see outcome
	hurry   time.Time         // until when attackers hurry
	wake    chan struct{}     // closed when attackers are to begin
	users   map[string]string // the account, by the cookie of the application's own session
	secrets map[string]string // the account, by the secret that a log-in proves
	closed  map[string]bool   // ids with which only the account's owner gets through Validate
	handled map[string]int    // messages of honest tabs, and how often each came without Again
	tried   map[grant]int     // messages sent, or being sent
	counts  map[grant]int     // messages sent
	failed  map[grant]bool    // the last one could not be sent
	lost    map[message]bool  // messages that may not have been sent
	alls    []broadcast
	claims  map[string]claim // by the messages of attackers
	fed     map[grant]bool   // somebody is sending for it
	news    chan grant       // gets the identity of the next log-in
}

// userCookie is the cookie of the application's own session. Attackers do not have it.
const userCookie = "user"

func newApp(l *ledger, mode string, delays []time.Duration, d *dice) *app {
	return &app{
		ledger: l, mode: mode, delays: delays, dice: d,
		users: map[string]string{}, secrets: map[string]string{}, closed: map[string]bool{},
		handled: map[string]int{}, tried: map[grant]int{}, counts: map[grant]int{}, failed: map[grant]bool{},
		lost:   map[message]bool{},
		claims: map[string]claim{}, fed: map[grant]bool{}, wake: make(chan struct{}),
	}
}

// hot makes attackers hurry for a second, because something is about to happen that they
// can race with.
func (a *app) hot() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hurry = time.Now().Add(time.Second)
	close(a.wake)
	a.wake = make(chan struct{})
}

// rest waits as long as an attacker does between two requests.
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

// outcome notes the result of an operation. If the store did not answer in time, the
// operation may or may not have happened, and nobody can say which identity honest tabs
// have.
func (a *app) outcome(err error, format string, args ...any) {
	a.note("%s: %v", fmt.Sprintf(format, args...), err)
	if errors.Is(err, store.ErrUncertain) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.blurred = true
	}
}

func (a *app) isBlurred() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.blurred
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
		OnGap: func(_ context.Context, s *session.Session, r session.ReaderInfo, lost store.Lost) {
			a.name("OnGap", r.Reader)
			a.note("a gap for %s: %v", s.ID(), lost)
		},
		OnEnd: func(_ context.Context, e store.Ended) {
			a.note("the session %s has ended", e.ID)
		},
	}
}
