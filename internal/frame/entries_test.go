package frame_test

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

// W3: the blocks of a batch equal those of its entries one by one, also for tagged
// entries and for those of another reader.
func TestW3EntriesAreTheirMessages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		epoch := rapid.Uint64Min(1).Draw(t, "epoch")
		got := []byte(rapid.SampledFrom([]string{"", "before\n\n", "id: 1-1\n\n"}).Draw(t, "before"))
		want := bytes.Clone(got)
		var entries []store.Entry
		for i := range rapid.IntRange(0, 5).Draw(t, "n") {
			e := store.Entry{
				Seq: rapid.Uint64Range(1, store.MaxSeq).Draw(t, "seq"),
				Tag: rapid.SampledFrom([]uint32{0, 0, 0, 1, 1 << 31}).Draw(t, "tag"),
			}
			at := store.Position{Epoch: epoch, Seq: e.Seq, Tag: e.Tag}
			if rapid.Bool().Draw(t, "ours") {
				m := store.Text(fmt.Sprint("message ", i))
				e.Message = &m
				want = frame.AppendMessage(want, at, &m)
			} else {
				want = frame.AppendID(want, at)
			}
			entries = append(entries, e)
		}
		before := bytes.Clone(got)
		if got := frame.AppendEntries(got, epoch, entries, nil); !bytes.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}

		// T4: and each id has the suffix.
		const suffix = "_k3j9x0a1b2-4_zz0aa10000-9"
		want = append(before, bytes.ReplaceAll(want[len(before):], []byte("\n\n"), []byte(suffix+"\n\n"))...)
		if got := frame.AppendEntries(got, epoch, entries, []byte(suffix)); !bytes.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}
