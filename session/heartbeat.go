package session

import (
	"math/rand/v2"
	"time"
)

// firstBeat is how soon a client that knows heartbeats gets the first one, unless a
// message comes earlier.
const firstBeat = time.Second

// jittered returns the interval of the heartbeat for one link, ±10 %, so that links do
// not all send at once.
func (m *Manager) jittered() time.Duration {
	d := m.o.Heartbeat
	if d < 0 {
		d = 15 * time.Second // the log still needs a sign of life
	}
	return d - d/10 + rand.N(d/5+1)
}

// due returns how long after now the link must be checked next: for a heartbeat, an
// overdue acknowledgement, or the end of its life.
func (l *Link) due(now int64) time.Duration {
	next := l.wrote.Load() + int64(l.beat)
	if next <= now {
		next = now + int64(l.beat)
	}
	next = l.untilOverdue(l.waits.Load(), now, next)
	if t := l.topics.Load(); t != nil {
		next = l.untilOverdue(t.waits.Load(), now, next)
	}
	if l.until != 0 {
		next = min(next, l.until)
	}
	return time.Duration(next - now)
}

// untilOverdue returns when an acknowledgement that is missing since waits will be
// overdue, or next if that is earlier.
func (l *Link) untilOverdue(waits, now, next int64) int64 {
	if overdue := waits + int64(l.s.m.o.AckTimeout); waits != 0 && overdue > now {
		return min(next, overdue)
	}
	return next
}

// ring is called by the link's alarm. It wakes the link if something is due, and closes a
// parked one.
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

// setAlarm sets the link's alarm, unless the link is closed and has cancelled it for
// good.
func (l *Link) setAlarm(in time.Duration) {
	l.s.m.clock.set(&l.alarm, in)
	if l.end.state() == linkClosed { // it may have been closed meanwhile
		l.s.m.clock.cancel(&l.alarm)
	}
}
