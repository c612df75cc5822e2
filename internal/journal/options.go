package journal

import (
	"log/slog"
	"time"
)

// Options configure a Journal. The zero value works.
type Options struct {
	// Sync is how often the journal is fsynced: at most what was appended in this time is
	// lost in a power loss. Zero means 1s. If it is negative, Commit waits until a record
	// is fsynced.
	Sync time.Duration

	// Wait is how long Open waits until another process releases the directory. Zero
	// means 10s. Negative: not at all.
	Wait time.Duration

	// Repair makes Open pass over damage, which it otherwise reports as a *DamageError.
	Repair bool

	// Segment is the size of a segment in bytes, at least 64 KiB. A record that is larger
	// gets a larger segment. Zero means 16 MiB.
	Segment int64

	// Logger is told of what is cut off, of a full disk and of errors of the disk. Nil
	// means slog.Default.
	Logger *slog.Logger

	// FS is the file system. Nil means that of the operating system.
	FS FS
}

const minSegment = 64 << 10

// complete returns o with its defaults.
func (o Options) complete() Options {
	if o.Sync == 0 {
		o.Sync = time.Second
	}
	if o.Wait == 0 {
		o.Wait = 10 * time.Second
	}
	if o.Segment == 0 {
		o.Segment = 16 << 20
	}
	o.Segment = max(o.Segment, minSegment)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.FS == nil {
		o.FS = systemFS{}
	}
	return o
}
