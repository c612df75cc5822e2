// Package inspect shows operators what happens in a Live: a page, and its JSON twin.
//
//	inspector := inspect.New(inspect.Options{Authorize: isOperator})
//	live := mirage.New(mirage.Options{Keys: keys, Observer: inspector})
//	mux.Handle("/inspect/", inspector.Handler(live))
//
// The page answers why a visitor has lost a message: it draws the time-line of a session,
// with a lane for each of its tabs, and gives the reason of each resume, end, refusal and
// loss in words. See docs/inspect.md.
//
// What an Inspector remembers is in memory, bounded, and of this node alone. The lists of
// sessions and topics are of all nodes if the Store is a store.Inspector.
package inspect

//go:generate sh -c "go run ../scripts/reasons.go < ../docs/operations.md > page/reasons.json"
