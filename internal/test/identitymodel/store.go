package identitymodel

// accepts is the check at the beginning of every step of a log.
func (w *world) accepts(s *state, h handle, under id) bool {
	l := &s.logs[h.log]
	if l.state != logLive {
		return false
	}
	return !w.Handles || l.id == under && l.moves == h.moves
}

// lookUp returns where the log of an id is, and whether it stays there. A Move that is
// under way has to be finished first.
func (s *state) lookUp(of id) (h handle, settled bool) {
	h = s.dir[of]
	if h.log == 0 {
		return h, true
	}
	l := &s.logs[h.log]
	return h, l.state == logLive && l.id == of && l.moves == h.moves && l.phase == moveSettled
}

// An outcome is a result of Open.
type outcome int8

const (
	granted  outcome = iota
	waits            // for a Move
	refused          // the id is revoked, or there is no session and none may be made
	comeBack         // the id has moved; the client is to retry soon
)

// open gives a request a handle of its id's log, from the node's cache or from the store.
func (w *world) open(s *state, r *request, create bool) outcome {
	if h := s.caches[r.node][r.id]; h.log != 0 {
		r.handle = h
		return granted
	}

	// The rest is one step of the store.
	h, settled := s.lookUp(r.id)
	switch {
	case !settled:
		return waits
	case h.log != 0:
		r.handle = h
		s.caches[r.node][r.id] = h
		return granted
	case !create:
		return refused
	case w.OpenSigned && s.revoked[r.id] >= r.signed:
		if w.inT(s, r) {
			return comeBack
		}
		return refused
	case w.inT(s, r):
		return comeBack
	}
	w.create(s, r)
	return granted
}

// create makes a log for a request's id.
func (w *world) create(s *state, r *request) {
	if s.revoked[r.id] >= r.signed && s.revokeAcked[r.id] {
		s.fault = faultSessionOfRevoked
	}
	for i := int8(1); i < maxLogs; i++ {
		if s.logs[i].state != logFree {
			continue
		}
		s.logs[i] = sessionLog{state: logLive, id: r.id, revoked: s.revoked[r.id], afterMove: s.fence[r.id] > 0}
		s.dir[r.id] = handle{log: i}
		r.handle = s.dir[r.id]
		s.caches[r.node][r.id] = r.handle
		return
	}
	panic("identitymodel: " + w.name + " needs more logs than maxLogs")
}

// inT reports whether a request falls into the time T after its id moved away.
func (w *world) inT(s *state, r *request) bool {
	if !w.Fence || s.fence[r.id] == 0 {
		return false
	}
	if w.FenceByArrival {
		return !r.late
	}
	return !s.tOver[r.id]
}

// attach begins a link in the log of the request's handle.
func (w *world) attach(s *state, r *request) (link, bool) {
	l := &s.logs[r.handle.log]
	switch {
	case !w.accepts(s, r.handle, r.id):
		s.forget(r)
		return link{}, false
	case w.AttachSigned && r.signed <= l.revoked:
		return link{}, false
	case w.AttachCame && l.afterMove && !r.late:
		return link{}, false
	}
	return link{r.handle, r.id, linkLive}, true
}

// forget removes the request's handle from its node's cache, because a log has refused
// it.
func (s *state) forget(r *request) {
	if s.caches[r.node][r.id] == r.handle {
		s.caches[r.node][r.id] = handle{}
	}
}

// endLinks ends all links of a log.
func (s *state) endLinks(log int8, as linkState) {
	end := func(l *link) {
		if l.log == log && l.state == linkLive {
			l.state = as
		}
	}
	for i := range s.attackLinks {
		end(&s.attackLinks[i])
	}
	for i := range s.tabs {
		end(&s.tabs[i].link)
	}
}
