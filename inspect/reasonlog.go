package inspect

import (
	"sync"
	"time"

	"github.com/mirage-go/mirage/session"
)

// logSize is how many lines the log of reasons has.
const logSize = 500

// A line is one event in the log of reasons.
type line struct {
	Number  uint64 `json:"number"` // 1, 2, 3 …
	Session string `json:"session,omitempty"`
	mark
}

// reasonLog has the last events that may need somebody's attention.
type reasonLog struct {
	mu    sync.Mutex
	last  uint64 // the number of the newest line
	lines [logSize]line
}

// isReported reports whether an event belongs in the log of reasons: a refusal, a loss,
// or an end that the client did not choose.
func isReported(e *session.Event) bool {
	switch e.Kind {
	case session.EventLost, session.EventRefused, session.EventSessionMoved:
		return true
	case session.EventSessionEnded:
		return e.Reason != session.ReasonLeft && (e.Messages > 0 || e.Reason != session.ReasonExpired)
	case session.EventLinkBegan:
		switch e.Reason {
		case session.ReasonResumed, session.ReasonContinued, "new":
			return false
		}
		return true
	case session.EventLinkEnded:
		switch session.End(e.Reason) {
		case session.EndSilent, session.EndCrowded, session.EndBarred:
			return true
		}
		return false
	case session.EventHandled:
		return e.Reason == session.ReasonFailed || e.Reason == session.ReasonPanicked
	case session.EventHook:
		// A join that OnJoin refuses is reported as an EventLeft.
		return e.Hook == session.HookIdentify && e.Reason != "generated" && e.Reason != "replaced"
	case session.EventAppended, session.EventPublished, session.EventLeft:
		return e.Reason != ""
	}
	return false
}

func (g *reasonLog) add(now time.Time, e *session.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last++
	g.lines[g.last%logSize] = line{Number: g.last, Session: e.Session, mark: newMark(now.UnixMilli(), e)}
}

// after returns the lines whose numbers are above n, the oldest first.
func (g *reasonLog) after(n uint64) []line {
	g.mu.Lock()
	defer g.mu.Unlock()
	lines := []line{}
	first := uint64(1)
	if g.last > logSize {
		first = g.last - logSize + 1
	}
	for i := max(first, n+1); i <= g.last; i++ {
		lines = append(lines, g.lines[i%logSize])
	}
	return lines
}
