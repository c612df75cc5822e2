package session

import (
	"context"

	"github.com/mirage-go/mirage/store"
)

// reportMoved reports readers gone because their session has another id now. s is the
// local session of the old id, or nil, and values holds its readers' values.
func (m *Manager) reportMoved(s *Session, id string, left []store.Left, values map[string]any) {
	if s == nil {
		s = &Session{m: m, id: id, log: movedLog{}}
	}
	for _, l := range left {
		s.order.do(func() { m.callOnDetach(s, ReaderInfo{Reader: l.Reader, Plain: l.Plain}, values[l.Reader]) })
	}
}

// movedLog stands for a session under an id that it no longer has. Nothing can be sent to
// it.
type movedLog struct{ store.Log }

func (movedLog) Append(context.Context, *store.Message, string) (store.Position, error) {
	return store.Position{}, store.ErrMoved
}
