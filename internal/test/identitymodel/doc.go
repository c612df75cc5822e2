// Package identitymodel is a model of how Mirage handles identities: log-in, log-out,
// revocation and revalidation, on two nodes with one store. Its tests explore all
// interleavings of all steps, and search for one that breaks a promise. They guard the
// design. Whether the code follows the design is tested in middleware, session and the
// stores.
//
// # Reading it
//
//   - rules.go: the rules of the design, each of which can be left out
//   - world.go, worlds.go: scenarios, and the list of those in which the design has to
//     hold
//   - mutants.go: the design without one rule, and the fault that this leads to
//   - state.go: everything that can differ between two moments
//   - store.go, move.go: the store's steps; time.go: the end of T
//   - attacker.go, login.go, operator.go, tabs.go: the steps of those who act
//   - fault.go, goal.go: what must never happen, and what must stay possible
//   - search.go: the search, breadth first, so a trace has as few steps as possible
//
// Every step of a node or of the store is atomic: a function that takes a state and emits
// the states that can follow. If honest pages have a goal, they must be able to reach it
// from every state, whatever the attacker did before.
//
// The tests here run a small world for each rule. `make model` runs all worlds. A world
// that is not explored to its end fails its test. Change a rule of the design here first.
// A new rule needs a mutant that fails without it.
//
// # In the model
//
// The store is either memory, where a Move is one step, or redis, where it is a series of
// steps in three shards. Any node finishes a Move that is under way, and the node that
// began it may die between any two steps.
//
//   - An attacker who has every value of the old id that it was ever given, and a link
//     of it. It always has one or two requests under way, on both nodes, and may log in
//     as itself with the old id.
//   - Honest tabs that share a cookie jar: open, beginning, or between two polls. One of
//     them sends a request to a route of the application. Responses arrive late, and in
//     any order.
//   - One log-in (Rotate, or a Validate that replaces the id), or two, one after the
//     other: x moves to y, then y to z. If y was revoked since the log-in came in,
//     its Move is refused and changes nothing; the log-in is sent again.
//   - An operator who revokes, revalidates or logs out, and a user who comes back after
//     that.
//   - The nodes' caches of handles, which are never evicted: that is the worst case.
//   - T, the time for which an old id is told to come back soon after a Move, and gets
//     no cookie from a route after a Move or a Revoke. It ends when the log-in's
//     response, and the requests that left with the old cookie, have arrived.
//
// # The clauses
//
//   - I6: a log-in takes the session along. RefuseRevoked.
//   - I7: links that Renew has ended are invalid. AckRenewed, BeginRenewed.
//   - I11: Rotate revokes in its Move, and Revoke is for good. RevokeInMove,
//     UniqueLinks.
//   - I12: a handle acts under its id and move. Handles, PublishMoves.
//   - I13: the times in Open, Attach, Move and values. StoreClock, SignCame, OpenSigned,
//     AttachSigned, ClaimCame.
//   - I14: T for links. Fence, FencePerID, FenceByArrival, AttachCame.
//   - I15: cookies. AskedSilently, RoutesSilent, RoutesSilentRevoked.
//   - I16: two log-ins with one id: one of them gets the session. There is no separate
//     rule for this, so there is no mutant.
//
// # Not in the model
//
//   - The aliases of I6: the attacker is always another client than the one that logs
//     in.
//   - Two honest log-ins with one id at once, and a log-in that leads back to an id that
//     had moved away.
//   - Cookies renewed by links. TestI8LateRenewal shows why: one that was sent before a
//     Rotate and arrives after its response puts the old id back, and no step of the
//     Store can prevent that.
//   - Two log-ins beside a Revoke or a log-out and an attacker: some of these worlds
//     have more than three million states.
//   - A log-in that begins after T with a value that a Revoke ended, beside a request to
//     a route with the same value: both get a new cookie, and the last one stays.
//   - Bounds; deaths inside Revoke; a failover of Redis; the numbering of upstream
//     messages.
//   - WebSocket frames: their steps are those of a POST.
//   - Time, other than the order of events on the Store's clock and the end of T.
//   - The rules of the first design, in which a holder of the old cookie could read the
//     new identity's messages. Each mutant shows a part of the reason.
package identitymodel
