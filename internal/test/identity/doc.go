// Package identity attacks the promises of docs/guarantees.md about identity: I6, I7 and
// I11 to I17. It holds only tests.
//
// play_test.go runs random schedules of log-in, replacement, log-out, revocation,
// revalidation and new links, on two nodes that share a store. Visitors with several tabs
// follow docs/protocol.md, on a network that is slow at times. Attackers hold every
// cookie, link token and _cid from before, and repeat every request on every transport at
// both nodes. ledger_test.go states what must hold. redteam_test.go has the faults that
// were found by hand.
//
// A grant is the right to use an id, until the id is revoked. A link is a connection, or
// a series of polls. A node is one server process.
package identity
