package storetest

import (
	"strings"
	"unicode/utf8"

	"github.com/mirage-go/mirage/store"
)

var topicKeys = []clause{
	{"M1 a newer message with the key takes the place of the older one, without a gap", func(e *env) {
		a := e.topic("a")
		r := a.now()
		a.put(sayKey("k", "1"), say("2"), sayKey("k", "3"))
		r.reads("2:2 3:3")
		a.put(sayKey("k", "4"))
		r.reads("4:4")
		a.start().reads("2:2 4:4")
	}},
	{"M1 a message is about its event and its key", func(e *env) {
		a := e.topic("a")
		of := func(event, key, text string) store.Publication {
			return store.Publication{Message: &store.Message{Event: event, Key: key, Data: []byte(text)}}
		}
		a.put(of("e", "k", "1"), of("f", "k", "2"), of("e", "l", "3"), of("e", "", "4"), of("e", "", "5"))
		a.start().reads("1:1 2:2 3:3 4:4 5:5")
		a.put(of("f", "k", "6"))
		a.start().reads("1:1 3:3 4:4 5:5 6:6")
	}},
	{"M1 what is superseded frees its room", func(e *env) {
		a := e.topic("a", retaining(3))
		a.publish("1", "2")
		for range 100 {
			a.put(sayKey("k", "x"))
		}
		a.start().reads("1:1 2:2 102:x")
	}},
	{"M1 whole and growing messages supersede each other", func(e *env) {
		a := e.topic("a")
		r := a.now()
		a.put(piece("k", "ab"))
		r.reads("1:k+0:ab")
		a.put(sayKey("k", "whole"))
		r.reads("2:whole")
		a.put(piece("k", "cd"))
		r.reads("3:k+0:cd")
		a.put(last("k", ""), sayKey("k", "whole"))
		a.start().reads("5:whole")
	}},
	{"M3 a message is not delivered after its TTL, and leaves no gap", func(e *env) {
		a := e.topic("a")
		r := a.now()
		a.put(within(e.brief()/2, say("1")), say("2"), within(1<<63-1, say("3")))
		e.pass(e.brief(), e.expire)
		r.reads("2:2 3:3")
		a.start().reads("2:2 3:3")
	}},
	{"M3 a message is delivered until its TTL has passed", func(e *env) {
		a := e.topic("a")
		r := a.now()
		a.put(within(10*e.brief(), say("1")))
		e.pass(e.brief()/4, e.expire)
		r.reads("1:1")
	}},
	{"M3 the last piece's TTL is that of a growing message", func(e *env) {
		a := e.topic("a")
		a.put(within(e.brief()/2, piece("g", "a")), within(10*e.brief(), piece("g", "b")))
		e.pass(e.brief(), e.expire)
		a.start().reads("-:g+0:ab")
		a.put(within(e.brief()/2, piece("g", "c")))
		e.pass(e.brief(), e.expire)
		a.start().reads("")
		a.put(piece("g", "new"))
		a.start().reads("-:g+0:new")
	}},
}

var growing = []clause{
	{"M2 what is refused changes nothing", func(e *env) {
		a := e.topic("a", func(b *store.TopicBounds) { b.MaxGrown = 4 })
		next := func(text string) store.Publication {
			p := piece("g", text)
			p.Continues = true
			return p
		}
		a.refuses(next("x"), store.ErrNotFound)
		a.refuses(piece("g", "12345"), store.ErrTooLarge)
		a.put(piece("g", "12"), next("34"))
		a.refuses(next("5"), store.ErrTooLarge)
		a.put(last("g", ""))
		a.refuses(next(""), store.ErrSealed)
		a.refuses(piece("g", "x"), store.ErrSealed)
		a.put(sayKey("k", "whole"))
		p := piece("k", "x")
		p.Continues = true
		a.refuses(p, store.ErrNotFound)
		equal(e, "the last number", a.position().Seq, 4)
		a.start().reads("3:g+0:1234! 4:whole")
	}},
	{"M2 a reader that is behind gets several pieces in one block", func(e *env) {
		a := e.topic("a")
		p := a.position()
		a.put(piece("g", "a"), say("1"), piece("g", "b"), piece("h", "x"), say("2"), piece("g", "c"))
		a.after(p).reads("1:g+0:abc 2:1 4:h+0:x 5:2")
		a.after(a.at(1)).reads("2:1 3:g+1:bc 4:h+0:x 5:2")
		a.after(a.at(3)).reads("4:h+0:x 5:2 6:g+2:c")
	}},
	{"M2 a reader gets nothing twice", func(e *env) {
		a := e.topic("a")
		r := a.now()
		a.put(piece("g", "a"), say("1"), piece("g", "b"))
		r.takes(1, "1:g+0:ab", true)
		a.put(piece("g", "c"))
		r.takes(1, "2:1", true)
		r.reads("4:g+2:c")
		a.put(last("g", ""))
		r.reads("5:g+3:!")
		r.reads("")
	}},
	{"M2 a reader learns once that a message is complete", func(e *env) {
		a := e.topic("a")
		p := a.position()
		a.put(say("1"), piece("g", "ab"), say("2"))
		r, now := a.after(p), a.now()
		a.put(last("g", ""), say("3"))
		r.takes(1, "1:1", true)
		r.takes(1, "2:g+0:ab!", true)
		r.reads("3:2 5:3")
		now.reads("-:g+0:ab! 5:3")
	}},
	{"M2 after a cut, pieces may come again", func(e *env) {
		a := e.topic("a")
		r := a.now()
		a.put(piece("g", "a"), say("1"), piece("g", "b"), piece("g", "c"))
		r.takes(1, "1:g+0:abc", true)
		a.after(r.At).reads("2:1 4:g+1:bc")
	}},
	{"M2 a block has at most 64 KiB of whole pieces, or one piece", func(e *env) {
		a := e.topic("a")
		p := a.position()
		for _, n := range []int{40 << 10, 20 << 10, 10 << 10, 100 << 10, 1} {
			a.put(piece("g", strings.Repeat("x", n)))
		}
		a.after(p).reads("2:g+0:[61440] 3:g+61440:[10240] 4:g+71680:[102400] 5:g+174080:x")
		a.now().reads("-:g+0:[65536] -:g+65536:[65536] -:g+131072:[43009]")
	}},
	{"M2 no block ends within a character", func(e *env) {
		a := e.topic("a")
		want := "aa" + strings.Repeat("😀", 40<<10)
		a.put(piece("g", want))
		r, got := a.now(), ""
		for more := true; more; more = r.tail.More {
			var entries []store.TopicEntry
			var err error
			entries, r.tail, err = a.Read(ctx, &r.TopicCursor, 70<<10, nil)
			e.is("Read", err, nil)
			for _, b := range entries {
				if b.Offset != len(got) || !utf8.Valid(b.Message.Data) || len(b.Message.Data) > 64<<10 {
					e.Errorf("%d bytes from %d on", len(b.Message.Data), b.Offset)
				}
				got += string(b.Message.Data)
			}
		}
		equal(e, "the text is whole", got == want, true)
	}},
	{"M2 a message of thousands of pieces is one text", func(e *env) {
		a := e.topic("a")
		r := a.now()
		var text strings.Builder
		ends := []int{0}
		for i := range 3000 {
			p := strings.Repeat("é", i%7)
			text.WriteString(p)
			ends = append(ends, text.Len())
			a.put(piece("g", p))
			if i == 1500 {
				r.take(1 << 20)
			}
		}
		for _, at := range []int{0, 1, 2, 999, 1501, 2990, 3000} {
			s := a.after(a.at(uint64(at)))
			has := ends[at]
			for more := true; more; more = s.tail.More {
				var entries []store.TopicEntry
				var err error
				entries, s.tail, err = a.Read(ctx, &s.TopicCursor, 1<<20, nil)
				e.is("Read", err, nil)
				for _, b := range entries {
					if b.Offset > has {
						e.Fatalf("after %d: a block begins at %d, and the reader has %d", at, b.Offset, has)
					}
					has = max(has, b.Offset+len(b.Message.Data))
				}
			}
			equal(e, "bytes", has, text.Len())
		}
	}},
}
