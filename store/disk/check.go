package disk

import (
	"github.com/mirage-go/mirage/internal/journal"
	"github.com/mirage-go/mirage/store/memory"
)

// A Report says what a directory has.
type Report struct {
	Sessions, Messages int // messages are those that sessions hold
	Topics, Published  int // published are the messages that topics retain
	IDs                int // that were moved or revoked
	Files              int // that have records
	Bytes              int64
	Clean              bool   // the last process has closed it
	Continues          bool   // the next process can go on; otherwise it begins new epochs
	Cut                string // what was being written at the end: file, offset, bytes
	Damage             error  // why Open would fail without Repair: it counts what is before
}

// Check reads a directory, and changes nothing. A process may use it at the same time:
// then what it is writing may be among what is cut.
func Check(dir string) (Report, error) {
	loading := memory.Load(memory.Options{Budget: -1})
	j, err := journal.Check(dir, nil, loading.Apply)
	if err != nil {
		return Report{}, err
	}
	c := loading.Counts()
	r := Report{
		Sessions: c.Sessions, Messages: c.Messages, Topics: c.Topics, Published: c.Published, IDs: c.IDs,
		Files: j.Segments, Bytes: j.Size, Clean: j.Clean, Continues: j.Continues,
	}
	if j.Cut != nil {
		r.Cut = j.Cut.String()
	}
	if j.Damage != nil {
		r.Damage = j.Damage
	}
	return r, nil
}
