package topiclog_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mirage-go/mirage/store"
)

func TestT4Begin(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    func(*script) *store.TopicCursor
		want string
	}{
		{
			"now: what grows, whole",
			func(s *script) *store.TopicCursor { return s.from(store.BeginNow) }, "-:g+0:abcd",
		},
		{
			"start: what grows, whole, then what is retained",
			func(s *script) *store.TopicCursor { return s.from(store.BeginStart) },
			"-:g+0:abcd 3:1 4:h+0:done! 6:2 7:3",
		},
		{
			"the zero cursor begins at the start",
			func(s *script) *store.TopicCursor { return new(store.TopicCursor) },
			"-:g+0:abcd 3:1 4:h+0:done! 6:2 7:3",
		},
		{
			"after a place: what has higher numbers",
			func(s *script) *store.TopicCursor { return s.after(3) }, "4:h+0:done! 5:g+2:cd 6:2 7:3",
		},
		{
			"after the last: nothing",
			func(s *script) *store.TopicCursor { return s.after(7) }, "",
		},
		{
			"after what has left: a gap, then what grows, whole",
			func(s *script) *store.TopicCursor { return s.after(0) },
			"gap 1-1 at 1 -:g+0:abcd 3:1 4:h+0:done! 6:2 7:3",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := begin(t, maxMessages(5))
			s.append(message("lost"))
			s.append(piece("g", "ab"))
			s.append(message("1"))
			s.append(last("h", "done"))
			s.append(piece("g", "cd"))
			s.append(message("2"))
			s.append(message("3"))

			c := tt.c(s)
			s.reads(c, tt.want)
			if c.At.Seq != 7 || c.At.Epoch != 9 || c.Begin != store.BeginAfter || c.Ahead != nil {
				t.Errorf("the cursor is %+v after that", c)
			}
			s.reads(c, "")
			s.append(message("new"))
			s.append(piece("g", "ef"))
			s.reads(c, "8:new 9:g+4:ef")
		})
	}
}

// A message that is complete is read whole only by a reader that may lack its beginning.
func TestT4CompleteMessages(t *testing.T) {
	s := begin(t)
	s.append(piece("g", "ab"))
	c := s.from(store.BeginNow)
	s.append(last("g", "cd"))
	s.reads(c, "-:g+0:abcd!") // it was not complete when the reader joined
	s.reads(s.from(store.BeginNow), "")
	s.reads(s.from(store.BeginStart), "2:g+0:abcd!")
	s.reads(s.after(1), "2:g+2:cd!")
}

func TestT4Ahead(t *testing.T) {
	s := begin(t)
	s.append(message("a"))
	s.append(message("b"))
	c := s.after(7)
	entries, more := s.Read(c, all, nil)
	if len(entries) != 1 || more || entries[0].Reason != store.MissingAhead || entries[0].Epoch != 9 ||
		entries[0].Lost != (store.Lost{From: 3, To: 7}) || entries[0].Seq != 2 || c.At != s.at(2) {
		t.Errorf("%+v, %v; the cursor is at %v", entries, more, c.At)
	}
	s.append(message("c"))
	s.reads(c, "3:c")
}

func TestT5Gap(t *testing.T) {
	s := begin(t, maxMessages(2))
	for _, text := range []string{"a", "b", "c", "d"} {
		s.append(message(text))
	}
	c := s.after(1)
	entries, _ := s.Read(c, all, nil)
	if e := entries[0]; e.Reason != store.MissingTrimmed || e.Epoch != 9 || e.Message != nil {
		t.Errorf("the gap is %+v", e)
	}
	s.reads(s.after(1), "gap 2-2 at 2 3:c 4:d")
	s.reads(s.after(2), "3:c 4:d")
	s.reads(s.from(store.BeginStart), "3:c 4:d") // it did not miss anything
	s.append(message("e"))
	s.append(message("f"))
	s.append(message("g"))
	s.reads(c, "gap 5-5 at 5 6:f 7:g")
}

// A message that is complete, and of which the gap took a part, comes whole.
func TestT5GapWithin(t *testing.T) {
	s := begin(t, maxMessages(3))
	s.append(piece("g", "ab"))
	s.append(message("1"))
	s.append(message("2"))
	s.append(last("g", "cd"))
	s.append(piece("h", "x"))
	s.append(last("h", "y"))
	s.reads(s.after(0), "gap 1-2 at 2 -:g+0:abcd! 3:2 6:h+0:xy!")
	s.reads(s.after(1), "gap 2-2 at 2 -:g+0:abcd! 3:2 6:h+0:xy!")
	s.reads(s.after(3), "4:g+2:cd! 6:h+0:xy!")
	s.reads(s.from(store.BeginStart), "-:g+0:abcd! 3:2 6:h+0:xy!")
}

// A reader that is behind gets all pieces that it lacks under the number of the first
// one, and nothing twice.
func TestM2Pieces(t *testing.T) {
	s := begin(t)
	s.append(piece("g", "a"))
	s.append(message("1"))
	s.append(piece("g", "b"))
	s.append(piece("h", "x"))
	s.append(message("2"))
	s.append(piece("g", "c"))
	s.reads(s.after(0), "1:g+0:abc 2:1 4:h+0:x 5:2")
	s.reads(s.after(1), "2:1 3:g+1:bc 4:h+0:x 5:2")
	s.reads(s.after(3), "4:h+0:x 5:2 6:g+2:c")

	c := s.after(0)
	s.readsSome(c, 1, "1:g+0:abc …") // it is ahead now
	s.append(piece("g", "d"))
	s.readsSome(c, 1, "2:1 …")
	s.reads(c, "4:h+0:x 5:2 7:g+3:d")
	s.append(last("g", ""))
	s.reads(c, "8:g+4:!")
	s.reads(c, "")
	s.reads(s.after(7), "8:g+4:!")
	s.reads(s.after(6), "8:g+3:d!")
}

func TestM2CompleteOnce(t *testing.T) {
	s := begin(t)
	s.append(message("1"))
	s.append(piece("g", "ab"))
	s.append(message("2"))
	c, now := s.after(0), s.from(store.BeginNow)
	s.append(last("g", ""))
	s.append(message("3"))
	s.readsSome(c, 1, "1:1 …")
	s.readsSome(c, 1, "2:g+0:ab! …")
	s.reads(c, "3:2 5:3")
	s.readsSome(now, 1, "-:g+0:ab! …")
	s.reads(now, "5:3")
}

// A message of which the reader got a part, and that is superseded, does not come back.
func TestM2SupersededWithin(t *testing.T) {
	s := begin(t)
	s.append(piece("g", strings.Repeat("x", 100<<10)))
	s.append(message("1"))
	c := s.after(0)
	s.readsSome(c, 1, "1:g+0:[102400] …")
	s.append(keyed("g", "instead"))
	s.append(piece("g", "anew"))
	s.reads(c, "2:1 4:g+0:anew")
}

// A block is at most 64 KiB of whole pieces, and one piece at least.
func TestM2Blocks(t *testing.T) {
	s := begin(t)
	for _, n := range []int{40 << 10, 20 << 10, 10 << 10, 100 << 10, 1} {
		s.append(piece("g", strings.Repeat("x", n)))
	}
	s.append(message("1"))
	s.reads(s.after(0), "2:g+0:[61440] 3:g+61440:[10240] 4:g+71680:[102400] 5:g+174080:x 6:1")
	s.reads(s.from(store.BeginNow), "-:g+0:[65536] -:g+65536:[65536] -:g+131072:[43009]")

	c := s.from(store.BeginNow)
	s.readsSome(c, 70<<10, "-:g+0:[65536] …")
	s.append(last("g", "end"))
	s.readsSome(c, 1, "-:g+65536:[65536] …")
	s.reads(c, "-:g+131072:[43012]!")
}

// No block ends within a character.
func TestM2Characters(t *testing.T) {
	for before := range 4 {
		s := begin(t)
		text := strings.Repeat("a", before) + strings.Repeat("😀", 40<<10)
		s.append(piece("g", text))
		c, got := s.from(store.BeginNow), ""
		entries, _ := s.Read(c, all, nil)
		for _, e := range entries {
			if e.Offset != len(got) || len(e.Message.Data) > 64<<10 || !utf8.Valid(e.Message.Data) {
				t.Errorf("after %d: %d bytes from %d on", before, len(e.Message.Data), e.Offset)
			}
			got += string(e.Message.Data)
		}
		if got != text || len(entries) != 3 {
			t.Errorf("after %d: %d bytes of %d, in %d blocks", before, len(got), len(text), len(entries))
		}
	}
}

// Of a message with very many pieces, the log forgets where some of them ended. Whoever
// resumes there gets an overlap, but nothing less, and no block larger than 64 KiB.
func TestM2ManyPieces(t *testing.T) {
	s := begin(t)
	var text strings.Builder
	ends := []int{0}
	const pieces = 5000
	for i := range pieces {
		p := fmt.Sprint(i, strings.Repeat("é", i%100))
		text.WriteString(p)
		ends = append(ends, text.Len())
		s.append(piece("g", p))
	}
	if n := s.Bytes() - int64(text.Len()); n > 100+16*1024 {
		t.Errorf("the pieces count %d bytes", n)
	}

	for at := range pieces {
		entries, more := s.Read(s.after(uint64(at)), all, nil)
		has := ends[at]
		for _, e := range entries {
			if e.Offset > has || len(e.Message.Data) > 64<<10 {
				t.Fatalf("after %d: %d bytes from %d on, and the reader has %d", at, len(e.Message.Data), e.Offset, has)
			}
			has = max(has, e.Offset+len(e.Message.Data))
		}
		if has != text.Len() || more {
			t.Fatalf("after %d: the reader has %d of %d bytes", at, has, text.Len())
		}
	}
}

// Room is for the messages alone. One comes in any case.
func TestReadStopsInTime(t *testing.T) {
	s := begin(t)
	size := message("a").Message.Size()
	for _, text := range []string{"a", "b", "c"} {
		s.append(message(text))
	}
	c := s.after(0)
	s.readsSome(c, 1, "1:a …")
	s.readsSome(c, 2*size-1, "2:b …")
	s.readsSome(c, 0, "3:c")
	s.readsSome(s.after(0), 2*size, "1:a 2:b …")
	s.readsSome(s.after(0), 3*size, "1:a 2:b 3:c")
}

// Read appends to what is there.
func TestReadAppends(t *testing.T) {
	s := begin(t)
	s.append(message("a"))
	s.append(message("b"))
	dst, _ := s.Read(s.after(1), 1, make([]store.TopicEntry, 0, 4))
	dst, more := s.Read(s.after(0), 1, dst)
	if len(dst) != 2 || !more || dst[0].Seq != 2 || dst[1].Seq != 1 || cap(dst) != 4 {
		t.Errorf("%+v, %v", dst, more)
	}
}
