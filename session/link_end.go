package session

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/store"
)

// End is the reason why a link ended. Its text is fit for logs.
type End string

const (
	EndAged       End = "aged"       // it reached its age: the client reconnects at once
	EndRenewed    End = "renewed"    // Revalidate: the client reconnects at once, through the hooks
	EndMoved      End = "moved"      // the session has a new id: the client reconnects after Batch.Retry
	EndDrained    End = "drained"    // Shutdown: the client reconnects after Batch.Retry
	EndCrowded    End = "crowded"    // another link took its place: the client reconnects after Batch.Retry
	EndSuperseded End = "superseded" // the client uses another link, and needs no answer on this one
	EndSilent     End = "silent"     // the client acknowledged nothing in time: it is presumed dead
	EndOver       End = "over"       // the session was ended: the client stops
	EndBarred     End = "revoked"    // the id was revoked: the client stops
)

// returnDelay is how long a client waits before it reconnects when its session got
// another id. The one response that hands out the new id, such as that of a login, must
// have reached the browser by then. A tab that came sooner would still present the old
// id, which Rotate has revoked, and would be told to stop.
const returnDelay = 2 * time.Second

// A linkEnd is the state of a link, in one word that Take reads for each message:
//
//	open ── finish ──▶ ending ── close or park ──▶ closed
//	 ├───── park ────▶ parked ── close or finish ────▲
//	 └───── close ───────────────────────────────────┘
//
// An open link is carried by a request or a connection, which takes from it. A parked one
// waits for the next poll. One that is ending is still carried: its client has yet to be
// told. The first reason for which a link finishes stays. A link that closes without a
// reason was left by its client.
type linkEnd struct{ word atomic.Uint64 }

type linkState uint64

const (
	linkOpen linkState = iota
	linkParked
	linkEnding
	linkClosed
)

// The word has the state in its lowest bits, then the reason, then the delay.
const (
	reasonShift, reasonMask = 2, 0xf
	retryShift              = 8
	maxRetry                = time.Duration(1)<<(64-retryShift) - 1 // two years
)

// reasons lists the Ends by their numbers in the word.
var reasons = []End{
	"", EndAged, EndRenewed, EndMoved, EndDrained, EndCrowded, EndSuperseded, EndSilent, EndOver, EndBarred,
}

// state returns the state.
func (e *linkEnd) state() linkState { return linkState(e.word.Load() & (1<<reasonShift - 1)) }

// reason returns why the link ends, and how long its client waits before it reconnects.
// It returns "" while there is no reason.
func (e *linkEnd) reason() (End, time.Duration) {
	word := e.word.Load()
	if word == 0 { // nearly always
		return "", 0
	}
	return reasons[word>>reasonShift&reasonMask], time.Duration(word >> retryShift)
}

// move moves the state by one step, to parked, ending or closed, with the reason for
// ending. It returns the new state, and whether it differs from the one before. A parked
// link has nobody to tell of its end, and one that is ending has no next poll to wait
// for: a link that would be both is closed.
func (e *linkEnd) move(to linkState, why End, retry time.Duration) (now linkState, moved bool) {
	for {
		word := e.word.Load()
		was := linkState(word & (1<<reasonShift - 1))
		told := word >> reasonShift << reasonShift

		now = to
		if was == linkClosed || was == linkEnding && to == linkParked || was == linkParked && to == linkEnding {
			now = linkClosed
		}
		if to == linkEnding && told == 0 {
			told = uint64(slices.Index(reasons, why))<<reasonShift | uint64(min(max(0, retry), maxRetry))<<retryShift
		}
		if e.word.CompareAndSwap(word, told|uint64(now)) {
			return now, now != was
		}
	}
}

// finish ends the link. The client reconnects after retry, unless the reason is one to
// stop. The first reason stays.
func (l *Link) finish(why End, retry time.Duration) {
	switch now, moved := l.end.move(linkEnding, why, retry); {
	case now == linkEnding:
		l.onWake()
	case moved:
		l.cleanUp(true)
	}
}

// Drain ends the link because its server shuts down. The client reconnects after retry.
func (l *Link) Drain(retry time.Duration) { l.finish(EndDrained, retry) }

// endOf returns the End of a link, or of a session's parked links, if the log refused a
// step with err, and "" if err is another failure.
func endOf(err error) (why End, retry time.Duration) {
	switch {
	case errors.Is(err, store.ErrSuperseded):
		return EndSuperseded, 0
	case errors.Is(err, store.ErrRenewed):
		return EndRenewed, 0
	case errors.Is(err, store.ErrMoved):
		return EndMoved, returnDelay
	case errors.Is(err, store.ErrCrowded):
		return EndCrowded, CrowdedRetry
	case errors.Is(err, store.ErrRevoked):
		return EndBarred, 0
	case errors.Is(err, store.ErrNotFound):
		return EndOver, 0
	}
	return "", 0
}

// Park keeps a poll's link alive between two requests. The link ends if no request
// continues it within d. Take must not be called any more: the request that continues the
// link gets another Link.
func (l *Link) Park(d time.Duration) {
	switch now, moved := l.end.move(linkParked, "", 0); {
	case now == linkClosed && moved:
		l.cleanUp(true)
	case now == linkClosed:
	case l.s.ended.Load(): // markEnded may not have seen it parked
		l.Close()
	default:
		l.setAlarm(d)
	}
}

// Close ends the link, and detaches it from the log. If the last Batch had an End, the
// transport tells the client before Close. Ten seconds later the reader is reported gone,
// unless it has another link. A second call does nothing.
func (l *Link) Close() { l.close(true) }

// close closes the link. detach is false if another request continues it: then it stays
// in the log.
func (l *Link) close(detach bool) {
	if _, moved := l.end.move(linkClosed, "", 0); moved {
		l.cleanUp(detach)
	}
}

// cleanUp removes a link that was just closed from the session, and from the log if it is
// to be detached.
func (l *Link) cleanUp(detach bool) {
	m := l.s.m
	l.s.remove(l)
	l.closeTopics()
	m.clock.cancel(&l.alarm)
	if detach {
		m.detach(l.s, l.Hello.Link, l.reader(), l.value)
	}
	m.local.release(l.s)

	why, _ := l.end.reason()
	l.account.note(l.Hello.Link.Turn, why)
	l.account.release(m)
	m.work.Done()
}
