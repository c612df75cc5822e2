package session

import "time"

// End says why a link is over. Its text is fit for logs.
type End string

const (
	EndAged       End = "aged"       // its life is over: the client comes back at once
	EndRenewed    End = "renewed"    // Revalidate: the client comes back at once, through the hooks
	EndMoved      End = "moved"      // the session has a new id: the client comes back after Batch.Retry
	EndDrained    End = "drained"    // Shutdown: the client comes back after Batch.Retry
	EndCrowded    End = "crowded"    // the session has too many links, and this one was silent for longest: the client comes back after Batch.Retry
	EndSuperseded End = "superseded" // the client is on another link: nothing more to say
	EndSilent     End = "silent"     // the client acknowledged nothing in time: it is thought dead
	EndOver       End = "over"       // the session was ended: the client stops
	EndBarred     End = "revoked"    // the id was revoked: the client stops
)

// settle is how long a client stays away when its session got another id. The one response that hands that out, of a login, must have reached the
// browser by then: a tab that came sooner would still show the old id, which Rotate has revoked, and be told to stop.
const settle = 2 * time.Second

// due is how long after now the link next needs a look.
func (l *Link) due(now int64) time.Duration {
	next := l.wrote.Load() + int64(l.beat)
	if next <= now {
		next = now + int64(l.beat)
	}
	if waits := l.waits.Load(); waits != 0 {
		if late := waits + int64(l.s.m.o.AckTimeout); late > now {
			next = min(next, late)
		}
	}
	if l.until != 0 {
		next = min(next, l.until)
	}
	return time.Duration(next - now)
}

// ring is the alarm's: it wakes the link where something is due.
func (l *Link) ring() {
	if l.parked.Load() {
		l.s.m.spawn(l.Close)
		return
	}
	now := l.s.m.now()
	if l.until != 0 && now >= l.until {
		l.finish(EndAged)
		return
	}
	l.wake()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed { // else Close has cancelled the alarm for good
		l.s.m.wheel.set(&l.alarm, l.due(now))
	}
}

// Drain lets the link end because its server does, and its client come back after retry.
func (l *Link) Drain(retry time.Duration) { l.sendOff(EndDrained, retry) }

// sendOff ends the link, and lets its client come back after retry.
func (l *Link) sendOff(end End, retry time.Duration) {
	l.mu.Lock()
	if l.end == "" {
		l.retry = retry
	}
	l.mu.Unlock()
	l.finish(end)
}

// ended returns the end, "" while there is none.
func (l *Link) ended() (End, time.Duration) {
	if !l.ending.Load() { // Take asks with each message
		return "", 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end, l.retry
}

// finish lets the link end; the first reason stays.
func (l *Link) finish(end End) {
	l.mu.Lock()
	if l.end == "" {
		l.end = end
	}
	l.mu.Unlock()
	l.ending.Store(true)
	if l.parked.Load() {
		l.Close()
		return
	}
	l.onWake()
}

// Park lets a poll's link live on for d without a request that carries it; then it ends. Take must not be called any more; the request that goes on
// with it gets another Link.
func (l *Link) Park(d time.Duration) {
	l.mu.Lock()
	l.parked.Store(true)
	over := l.end != "" || l.s.ended.Load()
	if !over && !l.closed {
		l.s.m.wheel.set(&l.alarm, d)
	}
	l.mu.Unlock()
	if over {
		l.Close()
	}
}

// Close ends the link: at the client, who is to be told by the last Batch, and in the log, where ten seconds later its reader is
// reported gone unless it has another link. The second call does nothing.
func (l *Link) Close() { l.close(true) }

// close detaches the link unless another request carries it on.
func (l *Link) close(detach bool) {
	l.mu.Lock()
	again := l.closed
	l.closed = true
	end := l.end
	l.mu.Unlock()
	if again {
		return
	}
	m := l.s.m
	l.s.remove(l)
	m.wheel.cancel(&l.alarm)
	if detach {
		m.detach(l.s, l.Hello.Link, l.reader(), l.value)
	}
	m.local.release(l.s)
	l.account.note(l.Hello.Link.Turn, end)
	l.account.release(m)
	m.work.Done()
}
