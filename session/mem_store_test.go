package session_test

import (
	"testing"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store/storetest"
)

func newMemory(testing.TB) session.Store { return session.NewMemory(0) }

func TestMemoryIsAStore(t *testing.T) { storetest.RunInBubble(t, newMemory) }

// In real time, too: what is true for a store with I/O.
func TestMemoryIsAStoreInRealTime(t *testing.T) { storetest.Run(t, newMemory) }
