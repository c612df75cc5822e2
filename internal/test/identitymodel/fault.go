package identitymodel

// A fault is something that must never happen.
type fault int8

const (
	noFault fault = iota
	faultMovedRead
	faultValueOutlives
	faultSessionOfRevoked
	faultRenewedCounts
	faultLaterSession
	faultMovedToRevoked
	faultTold410
	faultUnreachable
	faultSessionLost
)

func (f fault) String() string {
	return [...]string{
		"none",
		"whoever presents the old id gets at the new id's log",
		"a value of a revoked id is signed again and outlives the Revoke",
		"a session is made under a revoked id by a request signed before",
		"a link whose Revalidate was acknowledged takes or gets something",
		"an old value or link counts in a later session of the revoked id",
		"a session is moved under a revoked id by a request from before",
		"an honest page is told to stop",
		"honest pages can never get where they should be",
		"a Move ends its session by a Revoke of the new id from before the Move",
	}[f]
}

// reach notes the fault, if there is one, when the attacker reaches a log under an id.
func (w *world) reach(s *state, under id, h handle) {
	l := &s.logs[h.log]
	switch {
	case s.tookAlong && under <= s.moved && under < l.id && l.id <= idZ:
		s.fault = faultMovedRead
	case l.secondly:
		s.fault = faultLaterSession
	}
}
