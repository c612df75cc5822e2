// Package identity attacks what docs/guarantees.md says about identity: I6, I7 and I11 to
// I17. It has tests only.
//
// play_test.go plays log-in, replacement, log-out, revocation, revalidation and links
// that begin against each other at random, on two nodes that share a store. Visitors with
// several tabs do what docs/protocol.md says, on a network that is slow at times.
// Attackers hold every cookie, link token and _cid from before, and repeat every request
// on every transport at both nodes. What must hold is stated in ledger_test.go.
// redteam_test.go has the faults that were found by hand.
package identity
