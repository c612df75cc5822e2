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
