package session

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/store"
)

// presence is who is present in a topic: the sessions of this node that are, and what
// clients are told of all.
type presence struct {
	h     *hub
	alarm alarm // collects changes

	mu    sync.Mutex
	here  map[string]*present // by the session's id
	known atomic.Pointer[membersList]
}

// present is a session with links on this node, or that had some a moment ago. It has one
// entrance in the Store, which another present of the same session never has.
type present struct {
	entrance uint64
	links    int
	entering int              // steps that record it, and have not returned
	away     map[string]int64 // readers that may come back, and until when, on the Manager's clock
	alarm    alarm            // set while there are only these, or its departure is not recorded

	// Of the join that came last, as far as the Store knows; key is "" before the first.
	key   string
	log   store.Handle // asked counts the joins in this log
	asked uint64
	info  []byte
}

// wait returns how long the session stays present without links.
func (s *present) wait(now int64) (wait time.Duration) {
	for reader, until := range s.away {
		if until <= now {
			delete(s.away, reader)
		}
		wait = max(wait, time.Duration(until-now))
	}
	return wait
}

// standing says whether a link counts for the presence of its session. The lock of
// presence guards it.
//
//	absent ── enter ──▶ present ── exit ──▶ gone
//	   └──────────────── exit ───────────────▲
type standing uint8

const (
	linkAbsent standing = iota
	linkPresent
	linkGone
)

// departing says how a link ends.
type departing uint8

const (
	departCut  departing = iota // it may come back: its session stays present for ten seconds
	departLeft                  // it does not
)

// departing says how the link ends.
func (l *Link) departing() departing {
	switch end, _ := l.end.reason(); {
	case l.goodbye.Load(), end == EndOver, end == EndBarred, end == EndMoved:
		return departLeft
	}
	return departCut
}

func (p *presence) init(h *hub) {
	p.h, p.here = h, make(map[string]*present)
	p.alarm.ring = func() { h.m.spawn(p.collect) }
}

// enter makes the link's session present, and returns its key. The info is that of the
// join which came last: a link of an earlier one, such as a poll that goes on, does not
// change it, and a join without any keeps it.
func (p *presence) enter(ctx context.Context, lt *linkTopic, asked uint64, info []byte) (key string, err error) {
	id, log := lt.link.s.id, lt.link.s.log.Handle()
	p.mu.Lock()
	if lt.standing == linkGone {
		p.mu.Unlock()
		return "", nil
	}
	s := p.here[id]
	if s == nil {
		s = &present{entrance: rand.Uint64()}
		s.alarm.ring = func() { p.h.m.spawn(func() { p.leave(id, s) }) }
		p.here[id] = s
		p.h.hold()
		p.h.m.hubs.enter(id, p)
	}
	if lt.standing == linkAbsent {
		lt.standing = linkPresent
		s.links++
	}
	delete(s.away, lt.link.Hello.Link.Reader)
	p.h.m.clock.cancel(&s.alarm) // under the lock, as in exit: the later one of the two counts
	isSame := s.key != "" && s.log == log
	if isSame && s.asked >= asked {
		defer p.mu.Unlock()
		return s.key, nil
	}
	if isSame && info == nil {
		info = s.info
	}
	s.entering++
	p.mu.Unlock()

	key, err = p.h.store.Enter(ctx, id, s.entrance, info)
	p.mu.Lock()
	defer p.mu.Unlock()
	s.entering--
	p.checkLocked(id, s) // the link may have ended meanwhile
	if err != nil {
		return "", err
	}
	if s.log != log || s.asked < asked {
		s.key, s.log, s.asked, s.info = key, log, asked, info
	}
	return key, nil
}

// exit says that the link does not read the topic any more.
func (p *presence) exit(lt *linkTopic, how departing) {
	id, reader := lt.link.s.id, lt.link.Hello.Link.Reader
	p.mu.Lock()
	was := lt.standing
	lt.standing = linkGone
	if was != linkPresent {
		p.mu.Unlock()
		return
	}
	s := p.here[id]
	s.links--
	switch {
	case how == departLeft:
		delete(s.away, reader)
	case s.away == nil:
		s.away = make(map[string]int64)
		fallthrough
	default:
		s.away[reader] = p.h.m.now() + int64(detachAfter)
	}
	p.checkLocked(id, s)
	p.mu.Unlock()
}

// goodbye says that a reader does not come back. Its link may have ended already.
func (p *presence) goodbye(id, reader string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.here[id]; s != nil {
		delete(s.away, reader)
		p.checkLocked(id, s)
	}
}

// checkLocked ends the presence of a session that has no links, now or when the last of
// its readers can have come back.
func (p *presence) checkLocked(id string, s *present) {
	if s.links > 0 || s.entering > 0 {
		return
	}
	if wait := s.wait(p.h.m.now()); wait > 0 {
		p.h.m.clock.set(&s.alarm, wait)
		return
	}
	p.h.m.spawn(func() { p.leave(id, s) })
}

// leave ends the presence of a session, unless it has links again.
func (p *presence) leave(id string, s *present) {
	p.mu.Lock()
	if p.here[id] == s { // otherwise its departure is still to be recorded
		if s.links > 0 || s.entering > 0 || s.wait(p.h.m.now()) > 0 {
			p.mu.Unlock()
			return
		}
		delete(p.here, id)
		p.h.m.hubs.exit(id, p)
	}
	p.mu.Unlock()

	ctx, cancel := context.WithTimeout(p.h.m.ctx, storeWait)
	defer cancel()
	if err := p.h.store.Exit(ctx, id, s.entrance); err != nil {
		p.h.m.o.Logger.Error("session: a departure from a topic was not recorded", "topic", p.h.name, "error", err)
		p.h.m.clock.set(&s.alarm, topicRetry)
		return
	}
	p.h.release()
}

// leaveAll records that no session is present any more.
func (p *presence) leaveAll(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, s := range p.here {
		if err := p.h.store.Exit(ctx, id, s.entrance); err != nil {
			p.h.m.o.Logger.Error("session: a departure from a topic was not recorded", "topic", p.h.name, "error", err)
			return
		}
	}
}
