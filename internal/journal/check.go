package journal

import (
	"errors"
	"fmt"
	"log/slog"
)

// A Report says what Check found.
type Report struct {
	Recovery // as Open would return it if it can read the journal

	Segments       int
	Oldest, Newest uint32 // numbers of segments
	Size           int64  // of the segments' files
	Durable        uint64 // frames below this sequence number are known to be fsynced
	Next           uint64 // sequence number of the next frame
	Behind         bool   // the journal is marked as behind

	Damage *DamageError // because of which Open would fail without Repair, or nil
}

// Check reads a journal and changes nothing. It does not lock the directory: if a process
// writes to it meanwhile, the end may look torn. It calls apply, unless it is nil, with
// each record up to the first damage, and ends with its error. Nil for fs means the file
// system of the operating system.
func Check(dir string, fs FS, apply func(record []byte) error) (Report, error) {
	if fs == nil {
		fs = systemFS{}
	}
	var report Report
	c, err := readChain(fs, dir, false)
	if err != nil {
		return report, report.take(err)
	}

	r := &recovery{fs: fs, log: slog.New(slog.DiscardHandler), boot: shortBoot(fs), chain: c, apply: apply}
	if len(c.segments) > 0 {
		last := c.last()
		r.lock = last.header.lock
		report.Segments, report.Oldest, report.Newest = len(c.segments), c.segments[0].number, last.number
		report.Durable, report.Behind = last.state.durable, last.state.behind
		for _, s := range c.segments {
			report.Size += s.size
		}
	}
	err = r.run()
	report.Recovery, report.Next = r.Recovery, r.next
	return report, report.take(err)
}

// take keeps an error if it is damage, and otherwise returns it.
func (r *Report) take(err error) error {
	if errors.As(err, &r.Damage) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}
