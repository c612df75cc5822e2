package session

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/mirage-go/mirage/store"
)

// plainPrefix begins the names of the readers of plain clients.
const plainPrefix = "plain-"

// plainName returns a random name for the reader of a plain client.
func plainName() string { return plainPrefix + rand.Text() }

// isPlain reports whether the reader is a plain client. It stays one when it continues a
// link by polls.
func isPlain(reader string) bool { return strings.HasPrefix(reader, plainPrefix) }

// storeWait bounds a step of the store that no request waits for.
const storeWait = 10 * time.Second

// detach ends the link in the log. If it was the last link of its reader, detach
// schedules the report of the departure.
func (m *Manager) detach(s *Session, link store.LinkRef, info ReaderInfo, value any) {
	ctx, cancel := context.WithTimeout(context.Background(), storeWait)
	defer cancel()

	left, err := s.log.Detach(ctx, link)
	if err != nil && !isOver(err) {
		m.o.Logger.Error("session: detaching a link failed; its reader stays until the store forgets it", "error", err)
	}
	if left == 0 {
		return
	}
	m.clock.sooner(&m.sweeper, m.o.Retention)

	d := &departure{s: s, info: info, value: value, left: left}
	d.alarm.ring = func() { m.spawn(d.report) }
	s.noteDeparture(d)
	m.local.hold(s)
	m.clock.set(&d.alarm, detachAfter)
}

// endLink ends a link because its client's page ends. The link may be on any node: its
// last request may have come to another node than an earlier one whose Link is still
// here. A stream that is here ends, too, even if its client keeps the connection: the log
// does not count the link any more. value is that of the request that ends the link.
//
// reload is set if the page is being reloaded: its reader stays present in topics.
func (m *Manager) endLink(s *Session, link store.LinkRef, value any, reload bool) {
	info := ReaderInfo{Reader: link.Reader}
	for l := range s.all() {
		if l.Hello.Link.Number == link.Number {
			info = l.reader()
			if l.value != nil {
				value = l.value
			}
			l.goodbye.Store(!reload)
			l.finish(EndSuperseded, 0)
		}
	}
	if !reload {
		m.hubs.goodbye(s.id, link.Reader) // its link may have ended before these words came
	}
	link.Turn = 0
	m.detach(s, link, info, value)
}

// A departure is a reader that has lost its last link, and has time to come back.
type departure struct {
	alarm alarm
	s     *Session
	info  ReaderInfo
	value any // of the last link
	left  uint64
}

// noteDeparture records the value of a departure, for a Move that comes before its
// report.
func (s *Session) noteDeparture(d *departure) {
	if d.value == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away == nil {
		s.away = make(map[string]*departure)
	}
	s.away[d.info.Reader] = d
}

// forgetDeparture undoes noteDeparture.
func (s *Session) forgetDeparture(d *departure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away[d.info.Reader] == d {
		delete(s.away, d.info.Reader)
	}
}

// values returns the value of each reader's last link here. A nil Session has none.
func (s *Session) values() map[string]any {
	if s == nil {
		return nil
	}
	values := make(map[string]any)
	s.mu.Lock()
	defer s.mu.Unlock()
	for reader, d := range s.away {
		values[reader] = d.value
	}
	for _, l := range slices.Backward(slices.Collect(s.all())) { // the newest comes last, and stays
		values[l.Hello.Link.Reader] = l.value
	}
	return values
}

// report reports the reader gone unless it came back.
func (d *departure) report() {
	m := d.s.m
	defer m.local.release(d.s)
	defer d.s.forgetDeparture(d)

	d.s.order.do(func() {
		ctx, cancel := context.WithTimeout(m.ctx, storeWait) // not while earlier callbacks run
		defer cancel()
		gone, err := d.s.log.Leave(ctx, d.info.Reader, d.left)
		if err != nil && !isOver(err) {
			m.o.Logger.Error("session: asking the store about a reader's departure failed", "error", err)
		}
		if gone {
			m.callOnDetach(d.s, d.info, d.value)
		}
	})
}

func (m *Manager) callOnDetach(s *Session, info ReaderInfo, value any) {
	if m.o.OnDetach != nil {
		m.call("OnDetach", func() { m.o.OnDetach(m.callbackContext(value), s, info) }, s.logAttrs(info)...)
	}
}

// reportLost reports a reader gone whose node died.
func (m *Manager) reportLost(l store.Left) {
	s, err := m.lookup(m.ctx, l.ID)
	if err != nil {
		if !isOver(err) {
			m.o.Logger.Error("session: reporting a reader's departure failed", "error", err)
		}
		return
	}
	s.order.do(func() { m.callOnDetach(s, ReaderInfo{Reader: l.Reader, Plain: l.Plain}, nil) })
}
