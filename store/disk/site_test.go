package disk_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/mirage-go/mirage/internal/journal"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/disk"
)

// A site is a directory, and the store that is open in it.
type site struct {
	testing.TB
	dir string
	o   disk.Options
	fs  func() journal.FS // as the next process sees it; nil for the real one
	*disk.Store
}

func newSite(t testing.TB, o disk.Options, fs func() journal.FS) *site {
	o.Logger = slog.New(slog.DiscardHandler)
	s := &site{TB: t, dir: t.TempDir(), o: o, fs: fs}
	s.start()
	t.Cleanup(func() {
		if s.Store != nil {
			_ = s.Close()
		}
	})
	return s
}

// start is the next process.
func (s *site) start() {
	s.Helper()
	o := s.o
	if s.fs != nil {
		o = disk.On(s.fs(), o)
	}
	var err error
	if s.Store, err = disk.Open(s.dir, o); err != nil {
		s.Fatal(err)
	}
}

func (s *site) ctx() context.Context { return context.Background() }

func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *site) log(id string) store.Log {
	s.Helper()
	l, _, err := s.Open(s.ctx(), id, store.Asked{}, true, bounds)
	s.must(err)
	return l
}

func (s *site) add(l store.Log, texts ...string) (last store.Position) {
	s.Helper()
	for _, text := range texts {
		p, err := l.Append(s.ctx(), &store.Message{Data: []byte(text)}, "")
		s.must(err)
		last = p
	}
	return last
}

func (s *site) attach(l store.Log, reader string, at store.Position) store.Attached {
	s.Helper()
	c := store.Claim{Reader: reader}
	if at.Epoch != 0 {
		c.Given, c.Position = store.GivenPresented, at
	}
	a, err := l.Attach(s.ctx(), c)
	s.must(err)
	return a
}

// reads checks what a link reads from its beginning.
func (s *site) reads(l store.Log, a store.Attached, want ...string) {
	s.Helper()
	all, _, err := l.Read(s.ctx(), a.Link, a.Position.Seq, 1<<20, nil)
	s.must(err)
	var got []string
	for _, e := range all {
		got = append(got, string(e.Message.Data))
	}
	if !slices.Equal(got, want) {
		s.Errorf("read %q, want %q", got, want)
	}
}

// numbers are texts.
func numbers(first, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(first+i))
	}
	return all
}

func is(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
