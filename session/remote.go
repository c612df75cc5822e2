package session

import (
	"container/list"
	"context"
	"sync"

	"github.com/mirage-go/mirage/store"
)

// maxRemote bounds the handles in a remoteHandles.
const maxRemote = 10_000

// remoteHandles keeps a handle of each session on other nodes that this one has sent to
// lately, so that the next Send needs no Open. A handle may be out of date: its log then
// refuses the message, because the session has ended or moved. Only a store.Remote has
// them. With any other Store, they would keep ended logs in memory.
type remoteHandles struct {
	mu    sync.Mutex
	byID  map[string]*list.Element // of order, whose values are *Session
	order list.List                // the one that was used last is in front
}

// get returns the handle of the session id, or nil.
func (r *remoteHandles) get(id string) *Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.byID[id]
	if e == nil {
		return nil
	}
	r.order.MoveToFront(e)
	return e.Value.(*Session)
}

// put keeps a handle, in the place of another one of its id.
func (r *remoteHandles) put(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.byID[s.id]; e != nil {
		e.Value = s
		r.order.MoveToFront(e)
		return
	}
	if r.byID == nil {
		r.byID = make(map[string]*list.Element)
	}
	r.byID[s.id] = r.order.PushFront(s)
	if r.order.Len() > maxRemote {
		oldest := r.order.Remove(r.order.Back()).(*Session)
		delete(r.byID, oldest.id)
	}
}

// drop removes a handle that is out of date.
func (r *remoteHandles) drop(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.byID[s.id]; e != nil && e.Value == s {
		r.order.Remove(e)
		delete(r.byID, s.id)
	}
}

// sendRemote is Send by the handle of a session on another node. ok is false if there is
// none, or it is out of date.
func (m *Manager) sendRemote(
	ctx context.Context, id string, msg store.Message,
) (at store.Position, ok bool, err error) {
	s := m.remote.get(id)
	if s == nil || m.local.find(id) != nil || !m.isOpen() {
		return at, false, nil
	}
	at, err = s.Send(ctx, msg)
	if !isOver(err) {
		return at, true, err
	}
	m.remote.drop(s)
	return at, false, nil
}

// keepRemote keeps the handle of a session that was just sent to, unless the session has
// a user on this node.
func (m *Manager) keepRemote(s *Session) {
	if _, ok := m.store.(store.Remote); ok && m.local.find(s.id) != s {
		m.remote.put(s)
	}
}
