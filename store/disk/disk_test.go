package disk_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/disk"
	"github.com/mirage-go/mirage/store/storetest"
)

// open opens a store, and closes it when the test has ended.
func open(t testing.TB, dir string, o disk.Options) *disk.Store {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := disk.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// S1: all promises of a store hold, whenever the steps reach the disk.
func TestS1IsAStore(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes half a minute of real time")
	}
	t.Parallel()
	for name, sync := range map[string]time.Duration{"soon": 0, "at once": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t testing.TB) store.Store { return open(t, t.TempDir(), disk.Options{Sync: sync}) })
		})
	}
}
