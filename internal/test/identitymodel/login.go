package identitymodel

// The steps of a log-in, each named for what happens next.
const (
	loginNone step = iota
	loginSent
	loginResolves
	loginLooksAhead // only in redis: checks whether the new id was revoked
	loginMoves      // in redis: looks up the old id
	loginBeginsMove // only in redis
	loginWaits      // only in redis, for the Move's other steps
	loginForgets    // the old id's handle, only at the log-in's node
	loginAnswers

	loginRevokes      // only without the rule RevokeInMove
	loginAcknowledges // likewise

	loginDone
	loginDied
)

// loginEnds reports whether the log-in has ended: it sends no further cookie, except the
// one that is on its way.
func (s *state) loginEnds() bool { return s.login.step >= loginDone }

// loginSteps emits the steps of the request that logs in, at node 0.
func (w *world) loginSteps(s state, emit emitFunc) {
	r := s.login
	if r.step == loginNone {
		return
	}

	if w.nodeDies && r.step >= loginLooksAhead && r.step < loginDone {
		t := s
		t.login.step = loginDied
		emit(t, "node 0 dies in the log-in")
	}

	kind, from := w.logins[s.stage], idX+id(s.stage)
	to := from + 1
	t := s

	switch r.step {
	case loginSent:
		t.login.step, t.login.came, t.unheeded = loginResolves, s.now, false
		emit(t, "log-in: the request comes in at %d", s.now)
	case loginResolves:
		if s.revoked[from] >= r.signed {
			// Where Validate replaces ids, Validate would not be called. The response is
			// worth no more than this one.
			t.login.step = loginAnswers
			emit(t, "log-in: %v is revoked: %v goes out without anything", from, to)
			return
		}
		t.login.step = loginMoves
		if w.redis {
			t.login.step = loginLooksAhead
		}
		emit(t, "log-in: Resolve lets it pass, the application agrees")
	case loginLooksAhead:
		if !w.lookAhead(&t, to) {
			emit(t, "log-in: Move refuses: %v was revoked since; the log-in comes back", to)
			return
		}
		t.login.step = loginMoves
		emit(t, "log-in: Move looks whether %v was revoked (shard of %v)", to, to)
	case loginMoves:
		w.loginMove(s, kind, from, to, emit)
	case loginBeginsMove:
		l := &s.logs[r.handle.log]
		if l.state != logLive || l.id != from || l.moves != r.handle.moves || l.phase != moveSettled {
			t.login.step = loginMoves
			emit(t, "log-in: Move looks again")
			return
		}
		t.begin(r.handle, from, to, r.came, kind)
		t.tookAlong = true
		t.login.step = loginWaits
		emit(t, "log-in: Move begins (shard of the log)")
	case loginWaits:
		if l := &s.logs[r.handle.log]; l.state != logLive || l.phase == moveSettled {
			t.login.step = loginForgets
			emit(t, "log-in: Move is complete")
		}
	case loginForgets:
		t.caches[0][from] = handle{}
		t.login.step = loginAnswers
		if kind == rotate && !w.RevokeInMove {
			t.login.step = loginRevokes
			t.cookie = w.loginCookie(&s, to)
		}
		emit(t, "log-in: node 0 forgets %v's handle", from)
	case loginAnswers:
		t.login.step, t.moved = loginDone, from
		t.cookie = w.loginCookie(&s, to)
		emit(t, "log-in: acknowledged; %v is in the response", to)
	case loginRevokes, loginAcknowledges:
		w.loginRevoke(s, from, emit)
	case loginDone:
		w.loginArrives(s, to, emit)
	}
}

// loginMove emits the first step of a log-in's Move.
func (w *world) loginMove(s state, kind loginKind, from, to id, emit emitFunc) {
	r := s.login
	h, settled := s.lookUp(from)
	if !settled {
		return // storeSteps finish the Move that is under way
	}
	t := s
	if !w.redis && !w.lookAhead(&t, to) {
		emit(t, "log-in: Move refuses: %v was revoked since; the log-in comes back", to)
		return
	}
	if w.RevokeInMove && s.revoked[from] >= r.signed {
		t.login.step = loginAnswers
		emit(t, "log-in: Move refuses: %v was revoked or rotated since; %v goes out without anything", from, to)
		return
	}

	t.login.handle = h
	switch {
	case h.log == 0:
		if w.RevokeInMove {
			w.leave(&t, from, kind == rotate)
		}
		t.login.step = loginForgets
		emit(t, "log-in: Move finds no session, and leaves %v", from)
	case w.redis:
		t.login.step = loginBeginsMove
		emit(t, "log-in: Move looks where %v is (shard of %v)", from, from)
	default:
		w.moveAtOnce(&t, h, from, to, r.came, kind)
		t.tookAlong = true
		t.login.step = loginForgets
		emit(t, "log-in: Move (one step)")
	}
}

// lookAhead is the part of a Move that checks whether its new id was revoked since the
// log-in arrived. If so, the Move is refused, and the log-in is sent again, as another
// request that arrives later.
func (w *world) lookAhead(s *state, to id) bool {
	switch {
	case s.revoked[to] < s.login.came:
		return true
	case w.RefuseRevoked:
		s.login = request{step: loginSent, value: s.login.value}
		return false
	default:
		s.unheeded = true
		return true
	}
}

// loginCookie returns the value for the log-in's response.
func (w *world) loginCookie(s *state, to id) value {
	if w.SignCame {
		return value{to, s.login.came}
	}
	return value{to, s.now}
}

// loginRevoke emits the steps of a Rotate that revokes after its Move.
func (w *world) loginRevoke(s state, from id, emit emitFunc) {
	t := s
	if s.login.step == loginAcknowledges {
		t.caches[0][from] = handle{}
		t.login.step, t.moved = loginDone, from
		t.revokeAcked[from] = true
		emit(t, "log-in: Rotate is acknowledged")
		return
	}

	h, settled := s.lookUp(from)
	if !settled {
		return
	}

	if h.log != 0 {
		t.logs[h.log].state = logRevoked
		t.dir[from] = handle{}
	}

	t.revoked[from] = s.now
	t.now++
	t.login.step = loginAcknowledges
	emit(t, "log-in: Rotate revokes %v", from)
}

// loginArrives delivers the log-in's response, or loses it. The next log-in may begin
// then.
func (w *world) loginArrives(s state, to id, emit emitFunc) {
	if s.cookie != (value{}) {
		if w.answerLost && !s.answerGone {
			t := s
			t.cookie, t.answerGone = value{}, true
			t.login = request{step: loginSent, value: s.login.value}
			emit(t, "the answer is lost: the tab asks again with %v", s.login.id)
		}
		t := s
		t.setCookie(s.cookie)
		t.cookie = value{}
		emit(t, "the jar gets %v", s.cookie.id)
		return
	}

	if next := int(s.stage) + 1; next < len(w.logins) && s.jar.id == to {
		t := s
		t.stage++
		t.login = request{step: loginSent, value: s.jar}
		emit(t, "the tab logs in once more, with %v", s.jar.id)
	}
}

// setCookie puts a response's cookie into the jar.
func (s *state) setCookie(v value) {
	if !s.loggedOut {
		s.jar = v
	}
}
