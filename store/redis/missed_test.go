package redis_test

import (
	"testing"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// T6, I12: a node that hears nothing of a Move gives topics to a link of the old id until
// its next safety read, and no longer.
func TestT6NodeMissesAMove(t *testing.T) {
	t.Parallel()
	const safety = 300 * time.Millisecond
	addr := startServer(t).addr
	a := newNode(t, addr, "missed", redis.Options{}, session.Options{})
	b := newNode(t, addr, "missed", redis.Options{SafetyRead: safety}, session.Options{})
	l, err := b.Attach(ctx, session.Attach{ID: "x", Reader: "r"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := b.Open(ctx, "x")
	if err == nil {
		err = s.Join(ctx, "room:7", session.FromNow)
	}
	if err != nil {
		t.Fatal(err)
	}

	// The link reads what its own node publishes.
	got := 0
	var batch session.Batch
	publishAndTake := func() {
		t.Helper()
		if _, err := b.Topic("room:7").Publish(ctx, store.Text("m")); err != nil {
			t.Fatal(err)
		}
		if err := l.Take(ctx, &batch); err != nil {
			t.Fatal(err)
		}
		for _, block := range batch.Topics {
			if block.Joined == nil && block.Left == nil && block.Entry.Message != nil {
				got++
			}
		}
	}
	for deadline := time.Now().Add(10 * time.Second); got == 0; publishAndTake() {
		if time.Now().After(deadline) {
			t.Fatal("the link reads nothing")
		}
	}

	b.store.Deafen()
	if err := a.Move(ctx, "x", "y", ""); err != nil {
		t.Fatal(err)
	}
	moved := time.Now()
	for batch.End == "" {
		if time.Since(moved) > 10*safety {
			t.Fatalf("the link of the old id still reads %v after the Move", time.Since(moved))
		}
		publishAndTake()
		time.Sleep(10 * time.Millisecond)
	}
	if batch.End != session.EndMoved {
		t.Errorf("the link ends as %q", batch.End)
	}
	t.Logf("it ended %v after the Move; the safety read is every %v", time.Since(moved), safety)
}
