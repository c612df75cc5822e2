package identity_test

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A sighting is something that an attacker got, or a request of his that was accepted.
type sighting struct {
	what string // the request
	who  *attacker
	sent stamp // when he sent the request
	got  stamp

	kind  kind
	id    string    // of the hello, of the cookie, or of the session that took his message
	value string    // of the cookie
	as    string    // the id of the value that he presented
	route bool      // a route of the application, where a cookie may be due
	time  time.Time // when the cookie was signed
	of    grant     // of the message that he read
	since stamp     // when that was sent, or when his link token was given out; zero without one
	link  stamp     // when he got the hello of the link on which he read it
}

// A kind is what a sighting is of.
type kind int

const (
	hello    kind = iota // he has a link
	secret               // he reads a message for somebody
	taken                // his message was handled
	anyValue             // an answer set a cookie
)

func (l *ledger) saw(s sighting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.got = l.nowLocked()
	l.seen = append(l.seen, s)
}

// judge checks every sighting. It is called after everything else has ended.
func (l *ledger) judge() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.seen {
		s := &l.seen[i]
		if why := l.wrongLocked(s); why != "" {
			l.faultLocked("%s, who holds %v, sent %s (%s), and %s (%s)",
				s.who.name, s.who.grants(), s.what, l.when(s.sent), why, l.when(s.got))
		}
	}
	for name, where := range l.names {
		if l.cids[name] {
			l.faultLocked("%s names the client object by its _cid, %s", where, name)
		}
	}
}

func (l *ledger) when(s stamp) string {
	return fmt.Sprintf("%d, %.3fs", s.n, s.at.Sub(l.start).Seconds())
}

// wrongLocked returns what is wrong with a sighting, or "" if nothing is.
func (l *ledger) wrongLocked(s *sighting) string {
	if s.kind == secret {
		return l.readLocked(s)
	}
	if _, ok := l.guarded[s.id]; ok && !s.who.holds(s.id) {
		whats := map[kind]string{hello: "gets a link of ", taken: "is heard as ", anyValue: "gets a cookie for "}
		return whats[s.kind] + s.id
	}

	for _, g := range s.who.grants() {
		if g.id != s.id {
			continue
		}
		if why := l.lateLocked(s, g); why != "" {
			return why
		}
	}

	switch s.kind {
	case taken:
		for _, e := range l.renewed[s.id] {
			if s.since.n != 0 && s.since.n < e.begun.n && l.effectLocked(s, e) {
				return fmt.Sprintf("is heard on a link of %d, which was revalidated (%s)", s.since.n, l.when(e.acked))
			}
		}
	case anyValue:
		for _, e := range l.left[s.as] {
			if !s.route && l.effectLocked(s, e) && s.sent.at.Before(e.begun.at.Add(l.settle-l.grace)) {
				return fmt.Sprintf("gets a cookie for %s, though %s has just moved or was revoked (%s)",
					s.id, s.as, l.when(e.acked))
			}
		}
	}

	return ""
}

// readLocked is wrongLocked for a message that he read.
func (l *ledger) readLocked(s *sighting) string {
	switch {
	case s.who.knows(s.of):
	case l.followsLocked(s.who, s.of.id, 8):
		return "" // messages from before a move went along with the session
	default:
		return "reads a message for " + s.of.String()
	}
	for what, all := range map[string]map[grant]event{"revoked": l.ended, "closed to him": l.barred} {
		if e, ok := all[s.of]; ok && s.since.n > e.acked.n {
			return fmt.Sprintf("reads a message of %d for %v, which was %s (%s)",
				s.since.n, s.of, what, l.when(e.acked))
		}
	}
	for _, e := range l.renewed[s.of.id] {
		if s.link.n != 0 && s.link.n < e.begun.n && s.since.n > e.acked.n {
			return fmt.Sprintf("reads a message of %d on a link of %d, which was revalidated (%s)",
				s.since.n, s.link.n, l.when(e.acked))
		}
	}
	return ""
}

// lateLocked is wrongLocked for a grant that he held.
func (l *ledger) lateLocked(s *sighting, g grant) string {
	ended, barred := l.ended[g], l.barred[g]
	switch {
	case s.kind == anyValue && ended.acked.n != 0 && s.time.After(ended.acked.at.Add(time.Millisecond)):
		return fmt.Sprintf("gets a cookie for %v that was signed after that was revoked (%s)", g, l.when(ended.acked))
	case s.kind == anyValue:
		return ""
	case l.effectLocked(s, ended):
		return fmt.Sprintf("gets through as %v, which was revoked (%s)", g, l.when(ended.acked))
	case l.effectLocked(s, barred):
		return fmt.Sprintf("gets through as %v, which was closed to him (%s)", g, l.when(barred.acked))
	}
	return ""
}

// followsLocked reports whether a session of the id has moved to an id of his, in at most
// so many moves.
func (l *ledger) followsLocked(who *attacker, id string, moves int) bool {
	return moves > 0 && slices.ContainsFunc(l.moves[id], func(to string) bool {
		return who.holds(to) || l.followsLocked(who, to, moves-1)
	})
}

// effectLocked reports whether e must already have had its effect on the sighting: he
// sent the request after the acknowledgement, or that is so long ago that no step granted
// before can be the reason.
func (l *ledger) effectLocked(s *sighting, e event) bool {
	grace := l.grace
	if s.kind == taken {
		grace = l.turn
	}
	return e.acked.n != 0 && s.got.n > e.acked.n && (s.sent.n > e.acked.n || s.got.at.After(e.acked.at.Add(grace)))
}

// report returns the text that a failed play prints.
func (l *ledger) report() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.trace
	if len(lines) > 400 {
		lines = append(slices.Clone(lines[:50]), lines[len(lines)-350:]...)
	}
	return strings.Join(l.faults[:min(8, len(l.faults))], "\n") + "\n\n" + strings.Join(lines, "\n")
}
