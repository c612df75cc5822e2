package session

import "time"

// LinkState describes a link on this node at one moment.
type LinkState struct {
	Number     uint64
	Reader     string
	Plain      bool
	Transport  string
	RemoteAddr string        // of its request; for polls, of the last one
	Age        time.Duration // since it began on this node
	Bytes      int64         // written to the client
	Acked      uint64        // what its client has acknowledged, by a request to this node
	Waiting    bool          // it waits for the next poll
}

// Links returns the links of the session id on this node, the newest first. Without
// OnClose and an Observer, RemoteAddr, Age, Bytes and Acked are not known.
func (m *Manager) Links(id string) []LinkState {
	s := m.local.find(id)
	if s == nil {
		return nil
	}
	var all []LinkState
	for l := range s.all() {
		state := LinkState{
			Number: l.Hello.Link.Number, Reader: l.Hello.Link.Reader, Plain: l.Plain, Transport: l.transport,
			Waiting: l.end.state() == linkParked,
		}
		if a := l.account; a != nil {
			a.mu.Lock()
			state.RemoteAddr = a.told.RemoteAddr
			a.mu.Unlock()
			state.Age, state.Bytes, state.Acked = time.Duration(m.now()-a.began), a.bytes.Load(), a.acked.Load()
		}
		all = append(all, state)
	}
	return all
}
