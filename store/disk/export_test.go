package disk

import "github.com/mirage-go/mirage/internal/journal"

// Small returns options for a store that compacts its journal all the time.
func Small(o Options) Options {
	o.segment = 64 << 10
	return o
}

// On returns options for a store on another file system.
func On(fs journal.FS, o Options) Options {
	o.fs = fs
	return o
}

// Kill ends the store as kill -9 would.
func (s *Store) Kill() {
	s.once.Do(func() {
		close(s.stop)
		s.work.Wait()
		s.journal.Abandon()
	})
}

// Size returns how many bytes the journal has, and how many it may have.
func (s *Store) Size() (size, bound int64) {
	return s.journal.Size(), 2*s.saved.Live() + atMost*s.segment
}
