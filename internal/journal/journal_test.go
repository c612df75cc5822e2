package journal_test

import (
	"fmt"
	"testing"

	"github.com/mirage-go/mirage/internal/journal"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a journal and returns its records.
func open(t testing.TB, dir string, o journal.Options) (*journal.Journal, *journal.Recovery, []string) {
	t.Helper()
	var records []string
	j, r, err := journal.Open(dir, o, func(record []byte) error {
		records = append(records, string(record))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Abandon)
	return j, r, records
}

func add(t testing.TB, j *journal.Journal, records ...string) {
	t.Helper()
	for _, record := range records {
		m, err := j.Append([]byte(record))
		if err == nil {
			err = j.Commit(m)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestReopen(t *testing.T) {
	for _, end := range []string{"close", "kill"} {
		t.Run(end, func(t *testing.T) {
			dir := t.TempDir()
			var want []string
			for run := range 4 {
				j, r, got := open(t, dir, journal.Options{Segment: 1 << 16})
				if fmt.Sprint(got) != fmt.Sprint(want) || !r.Continues || r.Found != (run > 0) || r.Cut != nil ||
					r.Clean != (run > 0 && end == "close") || j.Behind() {
					t.Fatalf("run %d: %+v, %d records, want %d", run, r, len(got), len(want))
				}
				for i := range 3000 {
					record := fmt.Sprintf("run %d, record %d %0*d", run, i, i%100, i)
					add(t, j, record)
					want = append(want, record)
				}
				if end == "close" {
					if err := j.Close(); err != nil {
						t.Fatal(err)
					}
				} else {
					j.Abandon()
				}
			}
		})
	}
}
