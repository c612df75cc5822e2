package topiclog_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/mirage-go/mirage/store"
)

func TestT1NumbersCountUp(t *testing.T) {
	s := begin(t)
	if got := s.Position(); got != s.at(0) || s.Epoch() != 9 {
		t.Errorf("it begins at %v", got)
	}
	s.append(message("a"))
	s.append(keyed("k", "b"))
	s.append(piece("g", "c"))
	s.append(piece("g", "d"))
	if got := s.Position(); got != s.at(4) {
		t.Errorf("after four: %v", got)
	}
}

func TestT1Bounds(t *testing.T) {
	size := int64(message("a").Message.Size())
	for _, tt := range []struct {
		name   string
		bound  func(*store.TopicBounds)
		append []store.Publication
		want   string
	}{
		{
			"the oldest message leaves", maxMessages(2),
			[]store.Publication{message("a"), message("b"), message("c")}, "2:b 3:c",
		},
		{
			"as many leave as necessary", maxBytes(2 * size),
			[]store.Publication{message("a"), message("b"), message(strings.Repeat("c", int(size)))},
			"3:" + strings.Repeat("c", int(size)),
		},
		{
			"the newest message alone may be larger", maxBytes(10),
			[]store.Publication{message("a"), message("b")}, "2:b",
		},
		{
			"a growing message counts as one", maxMessages(2),
			[]store.Publication{message("a"), piece("g", "b"), piece("g", "c"), piece("g", "d")}, "-:g+0:bcd 1:a",
		},
		{
			"one that still grows leaves only if there is no other", maxMessages(2),
			[]store.Publication{piece("g", "a"), message("b"), message("c"), message("d")}, "-:g+0:a 4:d",
		},
		{
			"one that is complete leaves like any other", maxMessages(2),
			[]store.Publication{last("g", "a"), message("b"), message("c")}, "2:b 3:c",
		},
		{
			"its last piece says how old it is", maxMessages(2),
			[]store.Publication{piece("g", "a"), message("b"), last("g", "c"), message("d")}, "-:g+0:ac! 4:d",
		},
		{
			"of those that grow, the one leaves that has not grown for longest", maxMessages(2),
			[]store.Publication{piece("g", "a"), piece("h", "b"), piece("g", "c"), piece("i", "d")}, "-:g+0:ac -:i+0:d",
		},
		{
			"the one that has just grown stays", maxBytes(10),
			[]store.Publication{message("a"), piece("g", "b"), piece("g", "c")}, "-:g+0:bc",
		},
		{
			"one that begins anew has none of what left", maxMessages(1),
			[]store.Publication{piece("g", "a"), message("b"), piece("g", "c")}, "-:g+0:c",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := begin(t, tt.bound)
			for _, p := range tt.append {
				s.append(p)
			}
			s.retains(tt.want)
		})
	}
}

func TestM1Supersede(t *testing.T) {
	e := func(p store.Publication, event string) store.Publication {
		p.Message.Event = event
		return p
	}
	for _, tt := range []struct {
		name   string
		append []store.Publication
		want   string
	}{
		{
			"a newer message with the key takes its place",
			[]store.Publication{keyed("k", "a"), message("b"), keyed("k", "c")}, "2:b 3:c",
		},
		{"another key is another message", []store.Publication{keyed("k", "a"), keyed("l", "b")}, "1:a 2:b"},
		{
			"another event is another message",
			[]store.Publication{e(keyed("k", "a"), "e"), e(keyed("k", "b"), "f")}, "1:a 2:b",
		},
		{"a message without a key stays", []store.Publication{message("a"), message("b")}, "1:a 2:b"},
		{"a whole message supersedes a growing one", []store.Publication{piece("k", "a"), keyed("k", "b")}, "2:b"},
		{"a whole message supersedes a complete one", []store.Publication{last("k", "a"), keyed("k", "b")}, "2:b"},
		{"a growing message supersedes a whole one", []store.Publication{keyed("k", "a"), piece("k", "b")}, "-:k+0:b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := begin(t)
			for _, p := range tt.append {
				s.append(p)
			}
			s.retains(tt.want)
			s.reads(s.after(0), strings.ReplaceAll(tt.want, "-:k+0:b", "2:k+0:b")) // no gap
		})
	}
}

// What is superseded frees its room at once, in the log's bounds and in memory.
func TestM1Frees(t *testing.T) {
	s := begin(t, maxBytes(1<<30))
	s.append(message("a"))
	before := s.Bytes()

	p := keyed("k", strings.Repeat("x", 1<<20))
	whole := weak.Make(&p.Message.Data[0])
	s.append(p)
	s.append(piece("g", strings.Repeat("y", 1<<19)))
	s.append(last("g", "z"))
	entries, _ := s.Read(s.after(1), all, nil)
	grown := weak.Make(&entries[1].Message.Data[0])
	s.append(keyed("k", ""))
	s.append(keyed("g", ""))

	if n := s.Bytes() - before; n > 300 {
		t.Errorf("two messages without data count %d bytes", n)
	}
	runtime.GC()
	if whole.Value() != nil {
		t.Error("the data of a message that was superseded is still in memory")
	}
	if grown.Value() != nil {
		t.Error("the text of a growing message that was superseded is still in memory")
	}
	runtime.KeepAlive(s)
}

// Messages that are superseded do not pile up.
func TestM1ManyUpdates(t *testing.T) {
	s := begin(t)
	s.append(message("a"))
	for range 10_000 {
		s.append(keyed("k", "v"))
	}
	s.append(message("b"))
	s.retains("1:a 10001:v 10002:b")
	s.reads(s.after(1), "10001:v 10002:b")
	if n := s.Retained(); n > 40 {
		t.Errorf("the log keeps %d messages, and 3 are live", n)
	}
}

func TestM2Refused(t *testing.T) {
	s := begin(t, maxGrown(4), maxMessages(3))
	s.append(message("a"))
	s.fails(next(piece("g", "x")), store.ErrNotFound)
	s.fails(piece("g", "12345"), store.ErrTooLarge)
	s.append(piece("g", "12"))
	s.fails(piece("g", "345"), store.ErrTooLarge)
	s.append(next(piece("g", "34")))
	s.append(last("g", "")) // there is room for nothing
	s.fails(next(piece("g", "")), store.ErrSealed)
	s.fails(piece("g", "x"), store.ErrSealed)
	s.append(keyed("k", "whole"))
	s.fails(next(piece("k", "x")), store.ErrNotFound)
	s.append(message("b"))
	s.append(message("c")) // the complete one leaves
	s.fails(next(piece("g", "x")), store.ErrNotFound)
	s.append(piece("g", "new"))
}

func TestM3TTL(t *testing.T) {
	s := begin(t)
	s.append(ttl(message("a"), time.Second))
	s.append(message("b"))
	s.append(ttl(keyed("k", "c"), time.Minute))
	s.append(ttl(message("d"), 1<<63-1)) // as good as never
	s.pass(time.Second - 1)
	s.reads(s.after(0), "1:a 2:b 3:c 4:d")
	s.pass(1)
	s.reads(s.after(0), "2:b 3:c 4:d") // no gap
	s.reads(s.from(store.BeginStart), "2:b 3:c 4:d")
	s.pass(time.Minute)
	s.reads(s.after(0), "2:b 4:d")
	before := s.Bytes()
	s.append(ttl(message("e"), time.Second))
	c := s.after(4)
	s.pass(time.Second)
	s.reads(c, "")
	if c.At != s.at(5) || s.Bytes() != before {
		t.Errorf("the cursor is at %v, and the log has %d bytes, before %d", c.At, s.Bytes(), before)
	}
}

// The TTL of a growing message runs from its last piece.
func TestM3TTLGrows(t *testing.T) {
	s := begin(t)
	s.append(ttl(piece("g", "a"), time.Second))
	s.pass(time.Second - 1)
	s.append(ttl(piece("g", "b"), time.Second))
	s.pass(time.Second - 1)
	s.retains("-:g+0:ab")
	s.append(piece("g", "c")) // without one
	s.pass(time.Minute)
	s.retains("-:g+0:abc")
	s.append(ttl(last("g", "d"), time.Second))
	s.pass(time.Second)
	s.retains("")
	s.fails(next(piece("g", "e")), store.ErrNotFound)
	s.append(piece("g", "f"))
	s.reads(s.after(2), "5:g+0:f")
}

func TestT1Age(t *testing.T) {
	s := begin(t)
	s.append(message("a"))
	s.append(piece("g", "b"))
	s.pass(time.Hour / 2)
	s.append(message("c"))
	s.append(piece("h", "d"))
	s.pass(time.Hour / 2)
	s.reads(s.after(0), "1:a 2:g+0:b 3:c 4:h+0:d")
	s.append(piece("g", "e")) // it is young again
	s.pass(1)
	s.reads(s.after(0), "gap 1-1 at 1 -:g+0:be -:h+0:d 3:c")
	s.pass(time.Hour / 2)
	s.reads(s.after(0), "gap 1-4 at 4 -:g+0:be")
	s.pass(time.Hour / 2)
	s.reads(s.after(0), "gap 1-5 at 5")
	if s.Bytes() != 0 {
		t.Errorf("an empty log has %d bytes", s.Bytes())
	}
}

// When memory is short, messages leave in order, but not the one that is continued or
// superseded, and none in vain.
func TestMemoryIsShort(t *testing.T) {
	size := int64(keyed("k", "c").Message.Size())
	grows := size + 16
	p := next(piece("g", "b"))
	for _, tt := range []struct {
		name   string
		p      store.Publication
		memory int64
		want   string // "" if there is not enough
	}{
		{"enough", message("new"), grows + 4*size + 2, "-:g+0:a 2:b 3:c 4:d 5:new"},
		{"the oldest leaves", message("n"), grows + 3*size, "-:g+0:a 3:c 4:d 5:n"},
		{"as many as necessary", message("n"), grows + 2*size - 3, "-:g+0:a 5:n"},
		{"then what grows", message("n"), size, "5:n"},
		{"not enough for the message alone", message("n"), size - 2, ""},
		{"what is superseded makes room", keyed("k", "n"), grows + 3*size - 2, "-:g+0:a 2:b 4:d 5:n"},
		{"others leave, too", keyed("k", "new"), grows + 3*size - 2, "-:g+0:a 4:d 5:new"},
		{"what grows is superseded", keyed("g", "n"), 4*size - 2, "2:b 3:c 4:d 5:n"},
		{"a piece", p, grows + 17 + 3*size - 2, "-:g+0:ab 2:b 3:c 4:d"},
		{"others leave for a piece", p, grows + 17 + 3*size - 3, "-:g+0:ab 3:c 4:d"},
		{"all others leave for a piece", p, grows + 17, "-:g+0:ab"},
		{"not enough for a piece", p, grows + 16, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := begin(t)
			s.append(piece("g", "a"))
			s.append(message("b"))
			s.append(keyed("k", "c"))
			s.append(message("d"))
			has := func(n int64) bool { return n <= tt.memory-s.Bytes() }
			switch err := s.Append(tt.p, s.now, has); {
			case tt.want == "" && err == store.ErrFull:
				s.retains("-:g+0:a 2:b 3:c 4:d")
			case err != nil || tt.want == "":
				t.Fatalf("Append: %v", err)
			default:
				s.retains(tt.want)
			}
		})
	}

	// What is refused for another reason needs no memory.
	s := begin(t)
	s.append(last("g", "a"))
	if err := s.Append(p, s.now, func(int64) bool { return false }); err != store.ErrSealed {
		t.Errorf("Append to a complete message: %v", err)
	}
	s.retains("1:g+0:a!")
}

// Appending to a log with dead messages in front takes no longer than the live ones need.
func TestEvictPassesDeadMessages(t *testing.T) {
	s := begin(t, maxMessages(1000))
	for i := range 3000 {
		s.append(keyed(fmt.Sprint(i%1500), "x"))
	}
	c := s.from(store.BeginStart)
	entries, _ := s.Read(c, all, nil)
	if len(entries) != 1000 || entries[0].Seq != 2001 {
		t.Errorf("%d messages from %d on", len(entries), entries[0].Seq)
	}
}
