package session

import (
	"math/rand/v2"
	"time"
)

// firstBeat is when a client that knows heartbeats sees the first one, unless a message
// comes before.
const firstBeat = time.Second

// jittered is the heartbeat's interval for one link: ±10 %, so that links do
// not beat together.
func (m *Manager) jittered() time.Duration {
	d := m.o.Heartbeat
	if d < 0 {
		d = 15 * time.Second // the log still wants a sign of life
	}
	return d - d/10 + rand.N(d/5+1)
}

// due is how long after now the link next needs a look: for a heartbeat, an
// acknowledgement that is overdue, or the end of its life.
func (l *Link) due(now int64) time.Duration {
	next := l.wrote.Load() + int64(l.beat)
	if next <= now {
		next = now + int64(l.beat)
	}
	if waits := l.waits.Load(); waits != 0 {
		if overdue := waits + int64(l.s.m.o.AckTimeout); overdue > now {
			next = min(next, overdue)
		}
	}
	if l.until != 0 {
		next = min(next, l.until)
	}
	return time.Duration(next - now)
}

// ring is the alarm's: it wakes the link where something is due, and closes a parked one.
func (l *Link) ring() {
	if l.end.state() == linkParked {
		l.s.m.spawn(l.Close)
		return
	}
	now := l.s.m.now()
	if l.until != 0 && now >= l.until {
		l.finish(EndAged, 0)
		return
	}
	l.wake()
	l.setAlarm(l.due(now))
}

// setAlarm sets the link's alarm unless the link is closed: that has cancelled
// it for good.
func (l *Link) setAlarm(in time.Duration) {
	l.s.m.clock.set(&l.alarm, in)
	if l.end.state() == linkClosed { // perhaps since then
		l.s.m.clock.cancel(&l.alarm)
	}
}
