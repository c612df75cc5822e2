package session

// Stats are counts at one moment, on this node.
type Stats struct {
	Draining bool // Shutdown has begun
	Sessions int  // that have a link here, or a request, or a reader that has just left
	// links by transport: "sse", "poll", "websocket"; a poll counts between its requests,
	// too
	Links   map[string]int
	Topics  int   // that a link here reads, or in which a session is present through this node
	Joining int   // joins that wait or run
	Hooks   int   // calls of OnJoin that run
	Intake  int64 // bytes of requests that are being read or handled; see Options.Intake
}

// Draining reports whether Shutdown has begun.
func (m *Manager) Draining() bool { return !m.isOpen() }

// Stats returns the counts. It looks at every link on this node: call it every few
// seconds at most.
func (m *Manager) Stats() Stats {
	st := Stats{
		Draining: m.Draining(),
		Joining:  int(m.joining.Load()),
		Hooks:    len(m.hooks),
		Intake:   m.intakes.held.Load(),
		Links:    make(map[string]int),
	}

	for _, l := range m.local.links() {
		st.Links[l.transport]++
	}
	m.local.mu.RLock()
	for _, s := range m.local.local {
		if s.state == sessionLive {
			st.Sessions++
		}
	}
	m.local.mu.RUnlock()

	m.hubs.mu.Lock()
	defer m.hubs.mu.Unlock()
	st.Topics = len(m.hubs.named)
	return st
}
