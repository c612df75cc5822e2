// Package store is the contract between package session and the places that keep
// sessions: the interfaces Store and Log, with their types and errors. It has no
// implementation. Package store/memory is the default, store/redis is for several nodes,
// and store/storetest is the suite that every Store must pass. The package imports no
// other package of Mirage.
//
// Package session explains reader, link, writer, position, mark and plain client. The
// other terms, with their common names:
//
//   - An epoch (an incarnation) is the number of one log. A session that ends and begins
//     again has another epoch.
//   - A tag (a fork marker) tells apart two histories of one epoch, where a store may
//     lose messages that it had confirmed.
//   - A turn of a link says which of the requests that carry the link, one after another,
//     owns it (LinkRef.Turn, a fencing token).
//   - A turn of a writer (a lock) is the right to handle its next message (Turn). Its
//     lease (a lock timeout) is how long it stays taken if its node dies.
//   - The seq (a sequence number) of a message is its number in its log, from 1. The top
//     is the highest seq.
//   - A step (a transaction) is one atomic call of a method of Store or Log, which is
//     granted or refused as a whole.
//   - The hooks are Generate and Validate of package middleware.
//   - A value is an id as a client presents it, signed and with the time of signing. To
//     revoke an id means to refuse its earlier values.
//
// Comments cite clauses of docs/guarantees.md by their names, such as I13.
package store
