package identitymodel

// timeSteps ends the time T after a Move or a Revoke. T is long enough for the response
// of a log-in that was under way, and for requests with the old cookie, to arrive.
func (w *world) timeSteps(s state, emit emitFunc) {
	for old := idX; old <= idY; old++ {
		runs := s.fence[old] > 0 || w.route && s.revoked[old] > 0
		if !runs || s.tOver[old] || s.loginUnderWay(old) {
			continue
		}
		pending := s.route.step == routeArrives && s.route.id == old
		for i := range w.tabs {
			pending = pending || s.tabs[i].step == tabArrives && s.tabs[i].id == old
		}
		if !pending {
			t := s
			t.tOver[old] = true
			emit(t, "T of %v is over", old)
		}
	}
}

// loginUnderWay reports whether a log-in with an id, or its response, is under way.
func (s *state) loginUnderWay(with id) bool {
	return idX+id(s.stage) == with && (!s.loginEnds() || s.cookie != (value{}))
}
