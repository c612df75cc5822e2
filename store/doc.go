// Package store is the contract between package session and the places that keep
// sessions: Store and Log with their types and errors. It has no implementation:
// store/memory is the default, store/redis is for several nodes, and store/storetest is
// the suite that every Store has to pass. It imports nothing of ours.
package store
