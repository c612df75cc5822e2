package identity_test

import (
	"time"
)

// A plan is what is decided before a play.
type plan struct {
	login   string          // see app
	hooks   []time.Duration // of Validate
	late    []time.Duration // of answers to honest tabs
	tabs    int
	end     string // how the visit ends: "", "logout" or "revoke"
	again   bool   // the visitor comes back after that
	stolen  bool   // an attacker also holds the values of the new identity until the end
	renew   bool   // the new identity is revalidated
	barred  bool   // and before that Validate bars attackers
	forger  bool   // attackers log in, log out and say goodbye for the old id
	slow    bool   // the store is far away
	account bool   // the account has a session already
	soon    bool   // moves settle before a hook may have answered
	purge   bool   // an operator revokes the old id while the visitor logs in
	unit    time.Duration
}

func newPlan(d *dice, unit time.Duration) plan {
	const some, many = 100 * time.Millisecond, 150 * time.Millisecond
	p := plan{
		login: pick(d, byRotate, byReplace, byBoth),
		hooks: pick(d, nil, []time.Duration{0}, []time.Duration{0, some}, []time.Duration{0, some, 3 * unit}),
		late:  pick(d, nil, []time.Duration{0, many}, []time.Duration{0, many, 3 * unit}),
		tabs:  2 + d.below(2),
		end:   pick(d, "", "logout", "switch", "revoke"), again: d.in(2),
		stolen: d.in(2), renew: d.in(2), barred: d.in(2),
		forger: d.in(6), slow: d.in(2), account: d.in(4), purge: d.in(8),
		unit: unit,
	}
	// If an id was rotated, requests that come so late are told to stop.
	p.soon = p.login == byReplace && d.in(3)
	// Coming back after a revocation takes longer than a play in real time lasts.
	p.again = p.again && (p.end != "revoke" || unit == time.Second)
	return p
}
