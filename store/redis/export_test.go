package redis

import (
	"context"

	"github.com/mirage-go/mirage/session"
)

// Deafen lets a Store hear nothing of what is published.
func (s *Store) Deafen() { s.hub.deaf = func() bool { return true } }

var Warnings = warnings

func (s *Store) Prefix() string { return s.o.Prefix }

// AppendTwice asks for one append twice, the second question first.
func AppendTwice(s *Store, to session.Log, m *session.Message) error {
	l := to.(*log)
	entry, tag := encode(m, "")
	for _, again := range []bool{true, false} {
		if _, err := s.repeat(context.Background(), "append", hexTag(tag), again, []string{l.hex, entry, ""}); err != nil {
			return err
		}
	}
	return nil
}
