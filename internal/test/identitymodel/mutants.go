package identitymodel

// A mutant is the design without one of its rules, and a world that shows the fault.
type mutant struct {
	clause  string // of docs/guarantees.md; it fails without the rule
	without string
	leave   func(*rules) // removes the rule
	world   world
	fault   fault
}

// mutants returns a mutant for each rule.
func mutants() []mutant {
	all := []mutant{
		{
			"I6", "a look at the new id before the Move, in redis",
			func(r *rules) { r.RefuseRevoked = false },
			world{redis: true, logins: replaces, operator: revokesY, tabs: 1}, faultSessionLost,
		},
		{
			"I6", "a look at the new id before the Move, in memory",
			func(r *rules) { r.RefuseRevoked = false },
			world{logins: replaces, operator: revokesY, tabs: 1}, faultSessionLost,
		},
		{
			"I7", "Ack and Begin refusing renewed links",
			func(r *rules) { r.AckRenewed, r.BeginRenewed = false, false },
			world{redis: true, operator: revalidates, attackers: 1}, faultRenewedCounts,
		},
		{
			"I7", "Begin refusing renewed links",
			func(r *rules) { r.BeginRenewed = false },
			world{redis: true, operator: revalidates, attackers: 1}, faultRenewedCounts,
		},
		{
			"I11", "the revocation inside Rotate's Move",
			func(r *rules) { r.RevokeInMove = false },
			world{redis: true, logins: rotates, tabs: 2}, faultTold410,
		},
		{
			"I11", "link numbers that no other log has",
			func(r *rules) { r.UniqueLinks = false },
			world{redis: true, operator: backAsX, attackers: 1}, faultLaterSession,
		},
		{
			"I12", "id and moves in each handle",
			func(r *rules) { r.Handles = false },
			world{redis: true, logins: rotates, attackers: 1}, faultMovedRead,
		},
		{
			"I12", "moves in what is published",
			func(r *rules) { r.PublishMoves = false },
			world{redis: true, logins: rotates, published: true, attackers: 1}, faultMovedRead,
		},
		{
			"I13", "signing with the time at which the request came in",
			func(r *rules) { r.SignCame, r.AskedSilently = false, false },
			world{redis: true, operator: revokesX, attackers: 1}, faultValueOutlives,
		},
		{
			"I13", "the Store's time, with a node whose clock is ahead",
			func(r *rules) { r.StoreClock = false },
			world{redis: true, operator: revokesX, clockAhead: true, attackers: 1}, faultValueOutlives,
		},
		{
			"I13", "Open told when the value was signed",
			func(r *rules) { r.OpenSigned = false },
			world{redis: true, operator: revokesX, attackers: 1}, faultSessionOfRevoked,
		},
		{
			"I13", "Attach told when the value was signed",
			func(r *rules) { r.AttachSigned = false },
			world{redis: true, operator: backAsX, attackers: 1}, faultLaterSession,
		},
		{
			"I13", "the claim told when the request came in",
			func(r *rules) { r.ClaimCame = false },
			world{redis: true, logins: replaces, operator: revokesY, attackers: 1}, faultMovedToRevoked,
		},
		{
			"I14", "T after a Rotate",
			func(r *rules) { r.Fence = false },
			world{redis: true, logins: rotates, tabs: 2}, faultTold410,
		},
		{
			"I14", "T after a replacement",
			func(r *rules) { r.Fence, r.AttachCame = false, false },
			world{redis: true, logins: replaces, tabs: 2}, faultUnreachable,
		},
		{
			"I14", "T decided by when the request came in",
			func(r *rules) { r.FenceByArrival, r.AttachCame = false, false },
			world{redis: true, logins: replaces, tabs: 2}, faultUnreachable,
		},
		{
			"I14", "Attach told when the request came in",
			func(r *rules) { r.AttachCame = false },
			world{redis: true, logins: replaces, attackers: 1, tabs: 1}, faultUnreachable,
		},
		{
			"I14", "a fence for each id, in memory",
			func(r *rules) { r.FencePerID = false },
			world{logins: []loginKind{rotate, rotate}, tabs: 2}, faultTold410,
		},
		{
			"I14", "a fence for each id, in redis",
			func(r *rules) { r.FencePerID = false },
			world{redis: true, logins: []loginKind{rotate, replace}, tabs: 2}, faultTold410,
		},
		{
			"I15", "silence to links before they are granted",
			func(r *rules) { r.AskedSilently = false },
			world{redis: true, logins: rotates, tabs: 2}, faultTold410,
		},
		{
			"I15", "silent routes for T after a Move",
			func(r *rules) { r.RoutesSilent = false },
			world{redis: true, logins: rotates, tabs: 1, route: true}, faultUnreachable,
		},
		{
			"I15", "silent routes for T after a Revoke, in memory",
			func(r *rules) { r.RoutesSilentRevoked = false },
			world{logins: rotates, operator: revokesX, route: true}, faultUnreachable,
		},
		{
			"I15", "silent routes for T after a Revoke, in redis",
			func(r *rules) { r.RoutesSilentRevoked = false },
			world{redis: true, logins: rotates, operator: revokesX, route: true}, faultUnreachable,
		},
	}

	for i := range all {
		m := &all[i]
		m.world.name = "without " + m.without
		m.world.rules = design()
		m.leave(&m.world.rules)
	}
	return all
}
