package main

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/internal/needs"
)

// The program runs: a message that comes to whatever node arrives at a visitor's stream,
// and a new stream on another node continues where the last one was.
func TestRun(t *testing.T) {
	needs.Program(t, "redis-server")
	addr := "localhost:" + freePort()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, addr, "", 2, "rooms", nil) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for begun := time.Now(); listens(ctx, addr) != nil; { // each call tries for ten seconds
		if time.Since(begun) > time.Minute {
			t.Fatal("it does not listen")
		}
	}

	c, err := client.Dial(ctx, "http://"+addr+"/live", client.Options{Transports: []string{client.SSE}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	room, err := c.Join(ctx, "room:lobby", client.JoinOptions{From: client.FromStart})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 6 {
		text := fmt.Sprint(n)
		say := map[string]string{"room": "lobby", "text": text, "key": text}
		if err := c.Emit(ctx, "say", say); err != nil {
			t.Fatal(err)
		}
		if got := nextSaid(ctx, t, room); got != text {
			t.Fatalf("after %d messages came %q", n, got)
		}
		c.Disconnect()
		if err := c.Connect(ctx); err != nil { // on the next node
			t.Fatal(err)
		}
	}
}

// nextSaid returns the text of the next message in a room.
func nextSaid(ctx context.Context, t *testing.T, room *client.Room) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for m, err := range room.Messages(ctx) {
		var said struct{ Text string }
		if err == nil {
			err = json.Unmarshal(m.Data, &said)
		}
		if err != nil {
			t.Fatal(err)
		}
		m.Ack()
		return said.Text
	}
	t.Fatal("the room has ended")
	return ""
}
