package journal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/journal"
	"github.com/mirage-go/mirage/internal/journal/faultfs"
)

const onDisk = "/journal"

var quiet = slog.New(slog.DiscardHandler)

// A ledger is the owner of a journal in the random tests. It has a number, which each
// step increases. Its records are steps and snapshots.
type ledger struct {
	state uint64 // the last step
	seen  bool   // any record
}

var errInvented = errors.New("a record was invented, lost in the middle, or out of order")

// step returns the record of step n, whose content and length depend on n.
func step(n uint64) []byte {
	b := binary.LittleEndian.AppendUint64([]byte{'r'}, n)
	r := rand.New(rand.NewPCG(n, 1))
	length := r.IntN(200)
	if n%17 == 0 {
		length = r.IntN(12000)
	}
	for range length / 8 {
		b = binary.LittleEndian.AppendUint64(b, r.Uint64())
	}
	return b
}

func snapshot(n uint64) []byte { return binary.LittleEndian.AppendUint64([]byte{'s'}, n) }

// apply checks that a record continues what came before it.
func (l *ledger) apply(record []byte) error {
	if len(record) < 9 {
		return errInvented
	}
	n := binary.LittleEndian.Uint64(record[1:])
	want := step(n)
	if record[0] == 's' {
		want = snapshot(n)
	}
	switch {
	case !bytes.Equal(record, want):
		return fmt.Errorf("%w: content of %c%d", errInvented, record[0], n)
	case !l.seen:
		l.state, l.seen = n, true
	case record[0] == 'r' && n == l.state+1:
		l.state = n
	case n > l.state || record[0] == 's' && n != l.state:
		return fmt.Errorf("%w: %c%d after %d", errInvented, record[0], n, l.state)
	}
	return nil
}

// A trial uses one disk, on which processes are killed and the power fails.
type trial struct {
	disk     *faultfs.Disk
	fs       *faultfs.FS
	random   *rand.Rand
	state    uint64 // the last step that was tried
	answered uint64 // the last step whose record was appended
	fsynced  uint64 // the last step that no power loss may lose
	needed   uint64 // the last step that must be there the next time
	closed   bool   // the journal was closed
	intact   bool   // the process was killed while it did nothing, or closed the journal
	behind   bool   // the journal is marked as behind, whatever happens now
}

// rounds returns how often random tests run: JOURNAL_ROUNDS, or a number that takes
// seconds.
func rounds() int {
	n, err := strconv.Atoi(os.Getenv("JOURNAL_ROUNDS"))
	switch {
	case err == nil:
		return n
	case raceEnabled:
		return 200
	case testing.Short():
		return 1000
	}
	return 10_000
}

// Whatever happens to the power, to processes and in which order pages reach the disk:
// what was fsynced is there, nothing is invented or out of order, and Open never says
// that a journal continues if a record is missing.
func TestPowerLoss(t *testing.T) {
	for seed := range rounds() {
		synctest.Test(t, func(t *testing.T) {
			trial := &trial{disk: faultfs.New(uint64(seed)), random: rand.New(rand.NewPCG(uint64(seed), 2))}
			for range 2 + trial.random.IntN(4) {
				if err := trial.run(); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		})
		if t.Failed() {
			return
		}
	}
}

// run opens the journal, uses it and ends it in some way.
func (t *trial) run() error {
	t.fs = t.disk.Process()
	o := journal.Options{FS: t.fs, Segment: 1, Logger: quiet, Wait: -1}
	if t.random.IntN(2) == 0 {
		o.Sync = -1
	}
	if t.random.IntN(8) == 0 {
		t.disk.KillIn(1 + t.random.IntN(40)) // in Open, often
	}

	var l ledger
	j, r, err := journal.Open(onDisk, o, l.apply)
	if err != nil {
		if errors.Is(err, faultfs.ErrKilled) {
			// What was there before must be there the next time. But the journal may have
			// begun to be open.
			t.intact, t.closed = false, false
			t.end()
			return nil
		}
		return err
	}
	if err := t.check(l, r, j); err != nil {
		j.Abandon()
		return err
	}

	t.state, t.answered, t.fsynced = l.state, l.state, l.state
	if t.random.IntN(3) == 0 {
		t.disk.KillIn(1 + t.random.IntN(60))
	}
	t.behind, t.closed, t.intact = j.Behind(), false, true
	t.use(j, o)
	t.needed = t.answered
	if t.random.IntN(4) == 0 {
		if j.Close() == nil {
			t.fsynced, t.closed = t.answered, true
		}
	}
	defer j.Abandon()
	t.end()
	return nil
}

// end kills the process, or turns the power off.
func (t *trial) end() {
	t.intact = t.intact && !t.fs.Killed() || t.closed
	if t.random.IntN(2) == 0 {
		t.disk.Kill()
		return
	}
	t.intact, t.needed = t.closed, t.fsynced
	t.disk.PowerLoss()
}

func (t *trial) check(l ledger, r *journal.Recovery, j *journal.Journal) error {
	switch {
	case l.state < t.needed:
		return fmt.Errorf("step %d must be there, and the last one is %d: %+v", t.needed, l.state, r)
	case l.state > t.state:
		return fmt.Errorf("step %d was not tried, and %d is there", t.state, l.state)
	case r.Continues && l.state < t.answered:
		return fmt.Errorf("step %d was answered, and the last one is %d, but: %+v", t.answered, l.state, r)
	case r.Continues && t.behind:
		return fmt.Errorf("the journal was behind, but: %+v", r)
	case !r.Continues && t.intact && !t.behind:
		return fmt.Errorf("nothing can be missing, but: %+v", r)
	case r.Continues == j.Behind():
		return fmt.Errorf("behind: %v, but: %+v", j.Behind(), r)
	}
	return nil
}

// use appends records, compacts, and waits.
func (t *trial) use(j *journal.Journal, o journal.Options) {
	for range t.random.IntN(40) {
		switch t.random.IntN(12) {
		case 0:
			time.Sleep(1100 * time.Millisecond)
			t.mark(j)
		case 1, 2:
			start := j.Current()
			m, err := j.Append(snapshot(t.answered))
			if err == nil {
				err = j.Commit(m)
			}
			drop := j.DropBefore
			if j.Behind() {
				drop = j.Recovered
				t.behind = false // from some moment on
			}
			if err == nil && drop(start) == nil {
				t.fsynced = t.answered
			}
		default:
			for range 1 + t.random.IntN(10) {
				t.state++
				m, err := j.Append(step(t.state))
				if err == nil {
					err = j.Commit(m)
				}
				if err != nil {
					return
				}
				t.answered = t.state
				if o.Sync < 0 {
					t.fsynced = t.answered
				}
			}
		}
		if behind := j.Behind(); !t.fs.Killed() {
			t.behind = behind
		}
	}
}

// mark notes what an fsync has made durable, unless the process has been killed.
func (t *trial) mark(j *journal.Journal) {
	if _, err := j.Append(snapshot(t.answered)); err == nil {
		t.fsynced = t.answered
	}
}
