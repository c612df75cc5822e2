package session

import (
	"context"

	"github.com/mirage-go/mirage/store"
)

// reportMoved reports readers gone whose session has another id now. s is the local
// session of the old one, if there was any, and values are its readers'.
func (m *Manager) reportMoved(s *Session, id string, left []store.Left, values map[string]any) {
	if s == nil {
		s = &Session{m: m, id: id, log: movedLog{}}
	}
	for _, l := range left {
		s.order.do(func() { m.callOnDetach(s, ReaderInfo{Reader: l.Reader, Plain: l.Plain}, values[l.Reader]) })
	}
}

// movedLog is all that is left of a session under an id that it had: nothing can
// be sent there.
type movedLog struct{ store.Log }

func (movedLog) Append(context.Context, *store.Message, string) (store.Position, error) {
	return store.Position{}, store.ErrMoved
}
