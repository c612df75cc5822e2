package topiclog_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/topiclog"
	"github.com/mirage-go/mirage/store"
)

// script is a log, with helpers that say in a line what happens.
type script struct {
	*testing.T
	*topiclog.Log
	now int64
}

func begin(t *testing.T, narrow ...func(*store.TopicBounds)) *script {
	b := store.TopicBounds{MaxMessages: 100, MaxBytes: 1 << 20, MaxGrown: 1 << 20, Age: time.Hour}
	for _, f := range narrow {
		f(&b)
	}
	return &script{T: t, Log: topiclog.New(7, 9, b)}
}

func maxMessages(n int) func(*store.TopicBounds) {
	return func(b *store.TopicBounds) { b.MaxMessages = n }
}
func maxBytes(n int64) func(*store.TopicBounds) { return func(b *store.TopicBounds) { b.MaxBytes = n } }
func maxGrown(n int) func(*store.TopicBounds)   { return func(b *store.TopicBounds) { b.MaxGrown = n } }

// enough is for a log that has all the memory that it needs.
func enough(int64) bool { return true }

// pass lets time pass.
func (s *script) pass(d time.Duration) {
	s.now += int64(d)
	s.Expire(s.now)
}

func (s *script) append(p store.Publication) {
	s.Helper()
	if err := s.Append(p, s.now, enough); err != nil {
		s.Fatalf("Append(%+v): %v", p, err)
	}
}

// fails fails the test unless p is refused with want.
func (s *script) fails(p store.Publication, want error) {
	s.Helper()
	top, bytes := s.Position(), s.Bytes()
	if err := s.Append(p, s.now, enough); err != want {
		s.Fatalf("Append(%+v): %v, want %v", p, err, want)
	}
	if s.Position() != top || s.Bytes() != bytes {
		s.Fatalf("it changed the log: %v and %d bytes, before %v and %d", s.Position(), s.Bytes(), top, bytes)
	}
}

func message(text string) store.Publication {
	return store.Publication{Message: &store.Message{Data: []byte(text)}}
}

func keyed(key, text string) store.Publication {
	return store.Publication{Message: &store.Message{Key: key, Data: []byte(text)}}
}

func piece(key, text string) store.Publication {
	p := keyed(key, text)
	p.Grows = true
	return p
}

func last(key, text string) store.Publication {
	p := piece(key, text)
	p.Done = true
	return p
}

func ttl(p store.Publication, d time.Duration) store.Publication {
	p.Message.TTL = d
	return p
}

func next(p store.Publication) store.Publication {
	p.Continues = true
	return p
}

func (s *script) at(seq uint64) store.TopicPosition {
	return store.TopicPosition{Topic: 7, Epoch: 9, Seq: seq}
}

func (s *script) after(seq uint64) *store.TopicCursor { return &store.TopicCursor{At: s.at(seq)} }

func (s *script) from(b store.Begin) *store.TopicCursor {
	return &store.TopicCursor{At: s.Position(), Begin: b}
}

// read reads with room for max bytes, and describes what came: "1:a", "gap 1-3 at 3", and
// "2:k+5:text" of a growing message, with the offset, and a "!" if it is complete. "-"
// instead of the number says that it is read whole.
func (s *script) read(c *store.TopicCursor, max int) string {
	s.Helper()
	entries, more := s.Read(c, max, nil)
	var out []string
	for _, e := range entries {
		out = append(out, describe(&e))
	}
	if more {
		out = append(out, "…")
	}
	return strings.Join(out, " ")
}

func describe(e *store.TopicEntry) string {
	seq := "-"
	if e.Seq != 0 {
		seq = fmt.Sprint(e.Seq)
	}
	switch m := e.Message; {
	case m == nil:
		return fmt.Sprintf("gap %d-%d at %d", e.Lost.From, e.Lost.To, e.Seq)
	case !e.Grows:
		return fmt.Sprintf("%s:%s", seq, m.Data)
	default:
		text := string(m.Data)
		if len(text) > 20 {
			text = fmt.Sprintf("[%d]", len(text))
		}
		if e.Done {
			text += "!"
		}
		return fmt.Sprintf("%s:%s+%d:%s", seq, m.Key, e.Offset, text)
	}
}

const all = 1 << 30

func (s *script) reads(c *store.TopicCursor, want string) {
	s.Helper()
	s.readsSome(c, all, want)
}

func (s *script) readsSome(c *store.TopicCursor, max int, want string) {
	s.Helper()
	if got := s.read(c, max); got != want {
		s.Fatalf("read %q, want %q", got, want)
	}
}

// retains fails the test unless a reader that begins at the start gets want.
func (s *script) retains(want string) {
	s.Helper()
	s.reads(s.from(store.BeginStart), want)
}
