package session

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/store"
)

// End says why a link is over. Its text is fit for logs.
type End string

const (
	EndAged       End = "aged"       // its life is over: the client comes back at once
	EndRenewed    End = "renewed"    // Revalidate: the client comes back at once, through the hooks
	EndMoved      End = "moved"      // the session has a new id: the client comes back after Batch.Retry
	EndDrained    End = "drained"    // Shutdown: the client comes back after Batch.Retry
	EndCrowded    End = "crowded"    // another link took its place: the client comes back after Batch.Retry
	EndSuperseded End = "superseded" // the client is on another link: nothing more to say
	EndSilent     End = "silent"     // the client acknowledged nothing in time: it is thought dead
	EndOver       End = "over"       // the session was ended: the client stops
	EndBarred     End = "revoked"    // the id was revoked: the client stops
)

// returnDelay is how long a client stays away when its session got another id. The one
// response that hands that out, of a login, must have reached the browser by then: a
// tab that came sooner would still show the old id, which Rotate has revoked, and be
// told to stop.
const returnDelay = 2 * time.Second

// A linkEnd is the state of a link, in one word that Take reads for each message:
//
//	open ── finish ──▶ ending ── close or park ──▶ closed
//	 ├───── park ────▶ parked ── close or finish ────▲
//	 └───── close ───────────────────────────────────┘
//
// A link that is open is carried by a request or a connection, which takes from it; a
// parked one waits for the next poll. One that is ending is carried still: its client has
// yet to be told. The first reason for which a link finishes stays; a link without one
// was left by its client.
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

// reasons are what an End is in the word.
var reasons = []End{
	"", EndAged, EndRenewed, EndMoved, EndDrained, EndCrowded, EndSuperseded, EndSilent, EndOver, EndBarred,
}

// state returns the state alone.
func (e *linkEnd) state() linkState { return linkState(e.word.Load() & (1<<reasonShift - 1)) }

// reason returns why the link ends, and how long its client stays away; "" while there is
// no reason.
func (e *linkEnd) reason() (End, time.Duration) {
	word := e.word.Load()
	if word == 0 { // nearly always
		return "", 0
	}
	return reasons[word>>reasonShift&reasonMask], time.Duration(word >> retryShift)
}

// move moves the state by a step, to parked, ending or closed, with the reason for
// ending. It returns the state then, and whether that is another one than before. A
// parked link has nobody who could be told of its end, and one that is ending has no next
// poll to wait for: both together are closed.
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

// finish lets the link end, and its client come back after retry where the reason is one
// to come back. The first reason stays.
func (l *Link) finish(why End, retry time.Duration) {
	switch now, moved := l.end.move(linkEnding, why, retry); {
	case now == linkEnding:
		l.onWake()
	case moved:
		l.cleanUp(true)
	}
}

// Drain lets the link end because its server does, and its client come back after retry.
func (l *Link) Drain(retry time.Duration) { l.finish(EndDrained, retry) }

// endOf is the end of a link, or of a parked one's session, that the log refuses with
// err; "" if that is another failure.
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

// Park lets a poll's link live on for d without a request that carries it; then it ends.
// Take must not be called any more; the request that goes on with it gets another Link.
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

// Close ends the link: at the client, who is to be told by the last Batch, and in the
// log, where ten seconds later its reader is reported gone unless it has another link.
// The second call does nothing.
func (l *Link) Close() { l.close(true) }

// close detaches the link unless another request carries it on.
func (l *Link) close(detach bool) {
	if _, moved := l.end.move(linkClosed, "", 0); moved {
		l.cleanUp(detach)
	}
}

// cleanUp takes a link that has just been closed out of the session, and out of the log
// if it is to be detached.
func (l *Link) cleanUp(detach bool) {
	m := l.s.m
	l.s.remove(l)
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
