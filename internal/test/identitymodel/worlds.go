package identitymodel

import "fmt"

// Log-ins, and what operators do, in the worlds below.
var (
	rotates  = []loginKind{rotate}
	replaces = []loginKind{replace}

	revokesX    = []task{{revoke, idX}}
	revokesY    = []task{{revoke, idY}}
	revalidates = []task{{revalidate, idX}}
	logsOut     = []task{{logOut, idY}}
	backAsX     = []task{{revoke, idX}, {logInAgain, idX}}
	backAsY     = []task{{revoke, idY}, {logInAgain, idY}}
)

// worlds returns the worlds in which the design must hold, each in memory and in redis.
func worlds() (all []world) {
	add := func(name string, w world) {
		w.rules = design()
		for _, w.redis = range []bool{false, true} {
			w.name = "memory: " + name
			if w.redis {
				w.name = "redis: " + name
			}
			all = append(all, w)
		}
	}

	for _, kind := range []loginKind{rotate, replace} {
		for _, w := range oneLogin() {
			w.logins = []loginKind{kind}
			add(fmt.Sprintf("%v, %s", kind, w.name), w)
		}
		for _, second := range []loginKind{rotate, replace} {
			for _, w := range twoLogins() {
				w.logins = []loginKind{kind, second}
				add(fmt.Sprintf("%v, %v, %s", kind, second, w.name), w)
			}
		}
	}

	for _, w := range others() {
		add(w.name, w)
	}
	return all
}

// oneLogin returns the worlds with one log-in, which is of either kind.
func oneLogin() []world {
	return []world{
		{name: "2 attackers", attackers: 2},
		{name: "1 attacker, 1 tab, route", attackers: 1, tabs: 1, route: true},
		{name: "2 tabs, route", tabs: 2, route: true},
		{name: "published entries, 1 attacker", published: true, attackers: 1},
		{name: "its node dies, 1 attacker, 1 tab", nodeDies: true, attackers: 1, tabs: 1},
		{name: "the attacker logs in too, 1 tab", attackerIn: true, attackers: 1, tabs: 1},

		{name: "revoke x, 1 attacker", operator: revokesX, attackers: 1},
		{name: "revoke y, 1 tab", operator: revokesY, tabs: 1},
		{name: "revoke y, 2 tabs", operator: revokesY, tabs: 2},
		{name: "revoke y, 1 attacker, 1 tab", operator: revokesY, attackers: 1, tabs: 1},
		{name: "revoke y, back as y, 1 attacker, 1 tab", operator: backAsY, attackers: 1, tabs: 1},
		{name: "revoke y, back as y, stolen y, 1 attacker", operator: backAsY, stolenY: true, attackers: 1},

		{name: "revalidate x, 1 attacker", operator: revalidates, attackers: 1},
		{name: "log out, 2 tabs", operator: logsOut, tabs: 2},
		{name: "log out, 1 attacker, 1 tab", operator: logsOut, attackers: 1, tabs: 1},
	}
}

// twoLogins returns the worlds with two log-ins, each of either kind.
func twoLogins() []world {
	return []world{
		{name: "1 attacker", attackers: 1},
		{name: "2 tabs", tabs: 2},
		{name: "2 tabs, route", tabs: 2, route: true},
		{name: "1 attacker, 1 tab", attackers: 1, tabs: 1},
		{name: "stolen y, 1 attacker", stolenY: true, attackers: 1},
		{name: "its node dies, 1 attacker, 1 tab", nodeDies: true, attackers: 1, tabs: 1},
		{name: "revoke x, 1 tab", operator: revokesX, tabs: 1},
		{name: "revoke y, 1 tab", operator: revokesY, tabs: 1},
	}
}

// others returns the worlds in which the log-in can be of one kind only, or in which
// there is none.
func others() []world {
	return []world{
		// After Rotate, a lost response is not sent again.
		{
			name:   "replace, its answer is lost once, 1 attacker, 1 tab",
			logins: replaces, answerLost: true, attackers: 1, tabs: 1,
		},

		// Only Rotate sets a cookie in its response to a revoked id.
		{name: "rotate, revoke x, 1 tab, route", logins: rotates, operator: revokesX, tabs: 1, route: true},
		{
			name:   "rotate, revoke x, 1 attacker, 1 tab, route",
			logins: rotates, operator: revokesX, attackers: 1, tabs: 1, route: true,
		},

		{name: "revoke x, 2 attackers", operator: revokesX, attackers: 2},
		{name: "revoke x, back as x, 2 attackers", operator: backAsX, attackers: 2},
		{name: "revalidate x, 2 attackers", operator: revalidates, attackers: 2},
		{name: "revalidate x, 1 attacker, 2 tabs", operator: revalidates, attackers: 1, tabs: 2},
	}
}
