package r3labs_test

import (
	"context"
	"fmt"

	r3 "github.com/r3labs/sse/v2"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport/sse/r3labs"
)

// A program that published with r3labs/sse keeps its events and sends them to sessions.
func ExampleMessage() {
	ctx := context.Background()
	m := session.New(session.Options{}) // and transport.Handler behind the middleware
	defer m.Shutdown(ctx)
	if _, err := m.Open(ctx, "ann"); err != nil { // a client's GET does this
		panic(err)
	}

	// Before: server.Publish("ann", event)
	event := &r3.Event{Event: []byte("news"), Data: []byte("for ann")}
	msg, err := r3labs.Message(event)
	if err != nil {
		panic(err)
	}
	_, err = m.Send(ctx, "ann", msg)
	fmt.Println(err)

	// Mirage numbers messages itself.
	_, err = r3labs.Message(&r3.Event{ID: []byte("7"), Data: []byte("numbered")})
	fmt.Println(err)
	// Output:
	// <nil>
	// session: bad input: Event.ID must be empty: Mirage numbers messages itself, so that clients resume by it
}
