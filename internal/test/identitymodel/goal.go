package identitymodel

// hasGoal reports whether an honest page has a goal.
func (w *world) hasGoal() bool { return w.tabs > 0 || w.nodeDies || w.route }

// done reports whether all honest pages are where they should be in the end.
func (w *world) done(s *state) bool {
	if int(s.task) < len(w.operator) || !w.loggedIn(s) {
		return false
	}

	for i := range s.logs {
		if l := &s.logs[i]; l.state == logLive && l.phase != moveSettled {
			return false
		}
	}

	if s.login.step == loginDied {
		return true
	}

	for i := range w.tabs {
		if !w.tabDone(s, &s.tabs[i]) {
			return false
		}
	}
	return w.jarDone(s)
}

// last returns the id that the last log-in gives.
func (w *world) last() id { return idX + id(len(w.logins)) }

// loggedIn reports whether the last log-in has ended.
func (w *world) loggedIn(s *state) bool {
	return len(w.logins) == 0 || s.login.step == loginDied ||
		s.login.step == loginDone && int(s.stage) == len(w.logins)-1
}

// jarDone reports whether the last log-in took effect in the jar.
func (w *world) jarDone(s *state) bool {
	return len(w.logins) == 0 || s.jar.id == w.last() || w.stops(s, w.last())
}

// tabDone reports whether a tab is open at the last id, with the jar, or was told to stop
// for a good reason.
func (w *world) tabDone(s *state, p *tab) bool {
	open := p.step == tabOpen
	at := len(w.logins) == 0 || s.jar.id == w.last() && p.link.id == w.last()
	if w.mayStop(s) {
		told := p.step == tabTold410 || p.step == tabToldOver
		return told || open && (w.does(logInAgain) || len(w.logins) > 0 && at)
	}
	here := len(w.logins) == 0 || w.accepts(s, p.link.handle, w.last()) && s.dir[w.last()] == p.link.handle
	return open && at && here && p.link.state == linkLive
}

// mayStop reports whether a tab may be told to stop. A log-in alone is no reason for
// that.
func (w *world) mayStop(s *state) bool {
	if s.login.step == loginDied {
		return true
	}
	for i := idX; i <= w.last(); i++ {
		if w.stops(s, i) {
			return true
		}
	}
	return false
}

// stops reports whether the operator or a log-out ends an id. A Revoke from before the
// log-in that gives the id does not end it.
func (w *world) stops(s *state, of id) bool {
	for _, t := range w.operator {
		if t.id == of && (t.do == revoke || t.do == logOut) {
			return of != idX+id(s.stage)+1 || s.revoked[of] >= s.login.came
		}
	}
	return false
}
