// Package client is the Go client of Mirage, for workers, tests and command-line
// programs. It has the guarantees of mirage.js: each message is delivered once and in
// order in both directions, across cuts, restarts of the network and changes of the
// transport, or the program is told what is lost.
//
//	c, err := client.Dial(ctx, "https://example.com/live", client.Options{})
//	if err != nil { … }
//	defer c.Close(ctx)
//
//	for m, err := range c.Messages(ctx) {
//		if err != nil { … } // messages are lost, or the session has ended
//		handle(m) // it is acknowledged when the loop asks for the next one
//	}
//
// Send queues a message, and Emit waits until the server has handled it. Join joins a
// topic. Whatever happens to the network, the client connects again by itself, until
// Close or until the server ends the session. Options.OnState tells how it is.
//
// A client needs two goroutines while it is idle, beside those of net/http. Everything
// that a server can make it keep is bounded.
package client
