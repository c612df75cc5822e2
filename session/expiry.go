package session

import "github.com/mirage-go/mirage/store"

// sweep ends the sessions whose retention has passed.
func (m *Manager) sweep() {
	for {
		due, err := m.store.Expired(m.ctx, 100)
		for _, l := range due.Left {
			m.reportLost(l)
		}
		for _, e := range due.Ended {
			m.emitEnded(e, ReasonExpired)
			m.callOnEndOfExpired(e)
		}

		found := len(due.Ended)+len(due.Left) > 0
		switch {
		case err != nil:
			m.o.Logger.Error("session: looking for expired sessions failed; trying again", "error", err)
			m.clock.sooner(&m.sweeper, m.o.Retention/4)
			return
		case due.Next == 0 && !found:
			return
		case !found:
			m.clock.sooner(&m.sweeper, due.Next)
			return
		}
	}
}

// maxEnding is how many calls of OnEnd for expired sessions run at once.
const maxEnding = 64

// callOnEnd calls OnEnd for a session that has ended.
func (m *Manager) callOnEnd(e store.Ended, value any) {
	if m.o.OnEnd != nil {
		m.call("OnEnd", func() { m.o.OnEnd(m.callbackContext(value), e) }, "session", m.logID(e.ID))
	}
}

// callOnEndOfExpired is callOnEnd for a session that has expired. Up to maxEnding calls
// run at once, so that slow ones do not delay the end of the other sessions.
func (m *Manager) callOnEndOfExpired(e store.Ended) {
	if m.o.OnEnd == nil {
		return
	}
	m.ending <- struct{}{}
	m.work.Go(func() { // sweep is counted in work, so Shutdown waits for this, too
		defer func() { <-m.ending }()
		m.callOnEnd(e, nil)
	})
}
