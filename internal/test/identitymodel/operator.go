package identitymodel

// operatorSteps emits the steps of the world's tasks, one task after the other, at node
// 1. Each has three phases.
func (w *world) operatorSteps(s state, emit emitFunc) {
	if int(s.task) >= len(w.operator) {
		return
	}

	switch task := w.operator[s.task]; task.do {
	case revoke:
		w.revokeSteps(s, task.id, emit)
	case logOut:
		// The browser logs out once it has the cookie of the log-in.
		if s.phase > 0 || s.loginEnds() && s.jar.id == task.id {
			w.revokeSteps(s, task.id, emit)
		}
	case revalidate:
		w.revalidateSteps(s, task.id, emit)
	case logInAgain:
		w.logInAgainSteps(s, task.id, emit)
	}
}

// nextTask ends a task.
func (s *state) nextTask() { s.task, s.phase = s.task+1, 0 }

func (w *world) revokeSteps(s state, of id, emit emitFunc) {
	t := s

	switch s.phase {
	case 0: // in the shard of the id
		h, settled := s.lookUp(of)
		t.revoked[of] = s.now
		t.fence[of], t.tOver[of] = 0, false
		t.now++
		t.taskHandle = h
		if !w.redis && settled && h.log != 0 {
			t.logs[h.log].state = logRevoked
			t.dir[of] = handle{}
		}
		t.phase++
		emit(t, "operator: Revoke(%v) is noted, at %d", of, s.now)
	case 1: // in the shard of the log
		if !w.endRevoked(&t, of) {
			return
		}
		t.phase++
		emit(t, "operator: Revoke ends log %d", s.taskHandle.log)
	case 2:
		t.caches[1][of] = handle{}
		t.revokeAcked[of] = true
		if w.operator[s.task].do == logOut {
			t.jar, t.loggedOut = value{}, true
		}
		t.nextTask()
		emit(t, "operator: Revoke(%v) is acknowledged", of)
	}
}

// endRevoked ends the log that Revoke has found, unless it has another id by now. It
// returns false while a Move of the log is under way, which has to be finished first.
func (w *world) endRevoked(s *state, of id) bool {
	h := s.taskHandle
	if h.log == 0 {
		return true
	}

	l := &s.logs[h.log]
	switch {
	case l.state == logLive && l.id == of && l.moves == h.moves:
		if l.phase != moveSettled {
			return false
		}
		l.state = logRevoked
	case !w.redis || l.phase != moveSettled:
		return true
	}

	if s.dir[of] == h {
		s.dir[of] = handle{}
	}
	return true
}

func (w *world) revalidateSteps(s state, of id, emit emitFunc) {
	t := s

	switch s.phase {
	case 0:
		h := s.caches[1][of]
		if h.log == 0 {
			var settled bool
			if h, settled = s.lookUp(of); !settled {
				return
			}
		}
		t.taskHandle = h
		t.phase++
		emit(t, "operator: Revalidate finds log %d", h.log)
	case 1:
		t.phase++
		switch {
		case s.taskHandle.log == 0:
		case w.accepts(&s, s.taskHandle, of):
			t.endLinks(s.taskHandle.log, linkRenewed)
		default: // the cached handle was an old one
			t.caches[1][of] = handle{}
			if h, _ := s.lookUp(of); h.log != 0 {
				t.phase = 0
			}
		}
		emit(t, "operator: Renew")
	case 2:
		t.renewalAcked = true
		t.nextTask()
		emit(t, "operator: Revalidate is acknowledged")
	}
}

// logInAgainSteps emits the steps of the owner of an id who comes with a newly signed
// value.
func (w *world) logInAgainSteps(s state, as id, emit emitFunc) {
	t := s

	switch s.phase {
	case 0:
		t.backAt = s.now
		t.phase++
		emit(t, "user: logs in again as %v, at %d", as, s.now)
	case 1:
		r := request{node: 1, value: value{as, s.backAt}, came: s.backAt, late: true}
		if w.open(&t, &r, true) != granted {
			return
		}
		t.taskHandle = r.handle
		if s.dir[as].log == 0 && t.dir[as].log != 0 {
			t.logs[r.handle.log].secondly = true
		}
		t.phase++
		emit(t, "user: log %d is %v's", r.handle.log, as)
	case 2:
		if w.accepts(&s, s.taskHandle, as) {
			t.nextTask()
		} else {
			t.caches[1][as] = handle{}
			t.phase = 1
		}
		emit(t, "user: attached")
	}
}
