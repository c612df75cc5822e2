package identitymodel

// begin is the first step of a Move, in the shard of the log. From then on all nodes
// refuse the handles of the old id.
func (s *state) begin(h handle, from, to id, came instant, kind loginKind) {
	l := &s.logs[h.log]
	l.id, l.moves = to, l.moves+1
	l.phase, l.from, l.came, l.rotate = moveBegun, from, came, kind == rotate
	s.endLinks(h.log, linkMoved)
}

// leave fences the id that moved away, and revokes it if it was rotated. Calling it twice
// has the same effect as calling it once.
func (w *world) leave(s *state, from id, rotated bool) {
	if s.fence[from] > 0 {
		return
	}
	if !w.FencePerID {
		s.fence = [idCount]instant{}
	}
	s.fence[from] = s.now
	if rotated {
		s.revoked[from] = max(s.revoked[from], s.now)
	}
	s.now++
}

// moveAtOnce is a Move in a store where it is a single step.
func (w *world) moveAtOnce(s *state, h handle, from, to id, came instant, kind loginKind) {
	s.begin(h, from, to, came, kind)
	s.dir[from] = handle{}
	if w.RevokeInMove {
		w.leave(s, from, kind == rotate)
	}
	w.claim(s, h.log)

	l := &s.logs[h.log]
	l.phase, l.from, l.came, l.rotate = moveSettled, noID, 0, false
}

// storeSteps finish the Moves that are under way. Any node may finish them.
func (w *world) storeSteps(s state, emit emitFunc) {
	for i := int8(1); i < maxLogs; i++ {
		l := s.logs[i]
		if l.state != logLive {
			continue
		}

		t := s
		switch l.phase {
		case moveBegun:
			if w.RevokeInMove {
				w.leave(&t, l.from, l.rotate)
				t.dir[l.from] = handle{}
			}
			t.logs[i].phase = moveLeft
			emit(t, "store: leave (shard of %v)", l.from)
		case moveLeft:
			w.claim(&t, i)
			emit(t, "store: claim (shard of %v)", l.id)
		case moveClaimed:
			if !w.RevokeInMove {
				t.dir[l.from] = handle{}
			}
			t.logs[i].phase = moveSettled
			emit(t, "store: done (shard of the log)")
		}
	}
}

// claim gives a log that moves the directory entry of its new id, unless that id was
// revoked meanwhile or has a session already.
func (w *world) claim(s *state, log int8) {
	l := &s.logs[log]
	there := s.dir[l.id]

	switch {
	case w.ClaimCame && s.revoked[l.id] >= l.came:
		l.state = logRevoked
		if s.unheeded {
			s.fault = faultSessionLost
		}
	case there.log != 0 && there.log != log && s.logs[there.log].state == logLive:
		l.state = logJoined
	case there.log != 0 && there.log != log: // the entry of a log that has ended
		s.dir[l.id] = handle{}
		return
	default:
		s.enter(log)
		return
	}

	if !w.RevokeInMove {
		s.dir[l.from] = handle{}
	}
}

// enter makes the log the one of its new id.
func (s *state) enter(log int8) {
	l := &s.logs[log]
	if s.revoked[l.id] >= l.came && s.revokeAcked[l.id] {
		s.fault = faultMovedToRevoked
	}
	s.dir[l.id] = handle{log, l.moves}
	l.revoked, l.afterMove = s.revoked[l.id], false
	l.phase = moveClaimed
}
