package session

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"
)

var roomy = Bounds{Messages: 1000, Bytes: 1 << 20, Retention: time.Minute, Links: 32, Readers: 128, Writers: 32}

// openMem makes the session id in s.
func openMem(t testing.TB, s *Memory, id string, b Bounds) *memLog {
	t.Helper()
	l, created, err := s.Open(context.Background(), id, true, b)
	if err != nil || !created {
		t.Fatalf("Open(%q) = created %v, %v", id, created, err)
	}
	return l.(*memLog)
}

func sized(n int) *Message { return &Message{Data: bytes.Repeat([]byte("x"), n-overhead)} }

// D5: where the budget has no room, a log does not drop its own for a message that is refused all the same.
func TestD5BudgetDropsNothingInVain(t *testing.T) {
	ctx := context.Background()
	s := NewMemory(2*sessionCost + 1000)
	other, b := openMem(t, s, "other", roomy), roomy
	b.Overflow = DropOldest
	l := openMem(t, s, "a", b)
	for range 4 {
		if _, err := other.Append(ctx, sized(150), ""); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if _, err := l.Append(ctx, sized(100), ""); err != nil {
			t.Fatal(err)
		}
	}
	// 100 bytes are free, 300 are the log's own.
	if _, err := l.Append(ctx, sized(500), ""); !errors.Is(err, ErrFull) {
		t.Fatalf("Append beyond the budget: %v, want ErrFull", err)
	}
	ended, err := s.End(ctx, "a", 0)
	if err != nil || len(ended.Messages) != 3 {
		t.Errorf("the log kept %d of 3 messages, %v", len(ended.Messages), err)
	}
}
