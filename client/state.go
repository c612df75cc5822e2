package client

import "time"

// A Phase is what a client does:
//
//	         Disconnect                  Connect
//	(any) ──────────────▶ PhaseIdle ──────────────▶ PhaseConnecting
//
//	PhaseConnecting ──hello──▶ PhaseOpen ──lost──▶ PhaseWaiting ──▶ PhaseConnecting
//	       └───────────────failed──────────────────────▲
//
//	(any) ──Close, or the server has ended the session──▶ PhaseClosed
type Phase int

// The phases.
const (
	PhaseIdle       Phase = iota // it is disconnected, and does not try to connect
	PhaseConnecting              // it tries to connect
	PhaseOpen                    // it has a link
	PhaseWaiting                 // it waits before it tries again
	PhaseClosed                  // it has ended
)

// String returns the name of the phase in lower case.
func (p Phase) String() string {
	return [...]string{"idle", "connecting", "open", "waiting", "closed"}[p]
}

// A State is the state of a client at one moment.
type State struct {
	Phase Phase
	// Transport is that of the link, if there is one.
	Transport string
	// ID is the mirage id that the server said last, or "".
	ID string
	// Err is why there is no link, in PhaseWaiting and PhaseClosed, or nil. It is also
	// why messages are not accepted although there is a link.
	Err error
	// Retry is how long the client waits, in PhaseWaiting.
	Retry time.Duration
}

// State returns the current state.
func (c *Client) State() State { return *c.state.Load() }

// move changes the phase. It belongs to the owner.
func (c *Client) move(phase Phase, err error, retry time.Duration) {
	c.phase = phase
	s := State{Phase: phase, ID: c.id, Err: err, Retry: retry}
	if c.live != nil {
		s.Transport = c.live.name
	}
	previous := c.state.Swap(&s)
	if *previous == s {
		return
	}
	c.o.Logger.Debug("client: state", "phase", phase.String(), "transport", s.Transport, "err", err, "retry", retry)
	if c.o.OnState != nil {
		c.teller.tell(func() { c.o.OnState(c.State()) })
	}
}
