package identitymodel

// The steps of a tab, each named for what it is doing or what happens next.
const (
	tabAsks     step = iota // it has no link
	tabArrives              // its GET is on its way
	tabAnswered             // Resolve has let it pass
	tabOpens
	tabAttaches
	tabOpen // it has a link
	tabTold410
	tabToldOver // without a cookie, it named the old id with _was
)

// tabSteps emits the steps of the honest tabs.
func (w *world) tabSteps(s state, emit emitFunc) {
	for i := range w.tabs {
		p := s.tabs[i]
		if p.cookie != (value{}) {
			t := s
			t.setCookie(p.cookie)
			t.tabs[i].cookie = value{}
			emit(t, "tab %d: the jar gets %v signed at %d", i, p.cookie.id, p.cookie.signed)
		}
		if p.step == tabAsks {
			w.tabSends(s, i, emit)
		} else {
			w.tabStep(s, i, emit)
		}
	}
}

// tabSends begins a link with the cookie in the jar.
func (w *world) tabSends(s state, i int, emit emitFunc) {
	t := s
	if s.jar.id == noID {
		t.tabs[i].step, t.tabs[i].link = tabToldOver, link{}
		emit(t, "tab %d: no cookie: told to stop", i)
		return
	}
	for node := range int8(nodes) {
		t := s
		t.tabs[i].request = request{step: tabArrives, node: node, value: s.jar}
		t.tabs[i].link = link{}
		emit(t, "tab %d: GET leaves for node %d with %v", i, node, s.jar.id)
	}
}

func (w *world) tabStep(s state, i int, emit emitFunc) {
	p := s.tabs[i]
	t := s
	q := &t.tabs[i]

	switch p.step {
	case tabArrives:
		w.tabResolves(s, i, emit)
	case tabAnswered:
		if !w.AskedSilently && p.cookie == (value{}) {
			q.cookie = value{p.id, s.now}
			if w.SignCame {
				q.cookie.signed = p.came
			}
		}
		q.step = tabOpens
		emit(t, "tab %d: its response has the cookie %v", i, q.cookie.id)
	case tabOpens:
		switch w.open(&t, &q.request, true) {
		case granted:
			q.step = tabAttaches
			emit(t, "tab %d: node %d has a handle of log %d", i, p.node, q.handle.log)
		case comeBack, refused: // if sent again, it is processed from the beginning
			q.request = request{}
			emit(t, "tab %d: Open says come back", i)
		}
	case tabAttaches:
		if k, ok := w.attach(&t, &q.request); ok {
			q.link = k
			q.request = request{step: tabOpen}
			if w.renewals && p.came > p.signed {
				q.cookie = value{p.id, p.came}
			}
			emit(t, "tab %d: attached to log %d", i, k.log)
		} else {
			q.request = request{}
			emit(t, "tab %d: Attach says come back", i)
		}
	case tabOpen:
		if w.accepts(&s, p.link.handle, p.link.id) && p.link.state == linkLive {
			return
		}
		q.request, q.link = request{}, link{}
		if s.logs[p.link.log].state == logRevoked {
			q.step = tabTold410
		}
		emit(t, "tab %d: its link ends", i)
	}
}

// tabResolves processes a GET that has come in.
func (w *world) tabResolves(s state, i int, emit emitFunc) {
	t := s
	p := &t.tabs[i]
	p.came, p.late = s.now, s.tOver[p.id]

	switch {
	case s.revoked[p.id] < p.signed:
		p.step = tabAnswered
		emit(t, "tab %d: Resolve lets it pass", i)
	case w.inT(&s, &p.request):
		p.request = request{}
		emit(t, "tab %d: told to come back soon", i)
	default:
		if !w.mayStop(&s) {
			t.fault = faultTold410
		}
		p.request = request{step: tabTold410}
		emit(t, "tab %d: told 410", i)
	}
}

// The steps of a request to a route of the application.
const (
	routeIdle step = iota
	routeArrives
	routeAnswered
)

// routeSteps emits the steps of one request that a tab sends to a route of the
// application.
func (w *world) routeSteps(s state, emit emitFunc) {
	if !w.route {
		return
	}

	r := s.route
	t := s
	q := &t.route
	switch r.step {
	case routeIdle:
		if s.jar.id != noID {
			q.request = request{step: routeArrives, value: s.jar}
			emit(t, "route: the request leaves with %v", s.jar.id)
		}
	case routeArrives:
		q.step, q.came, q.late = routeAnswered, s.now, s.tOver[r.id]
		if s.revoked[r.id] >= r.signed && !w.silentRoute(&s, &q.request) {
			q.cookie = value{idOther, s.now}
		}
		emit(t, "route: the request comes in; its response has the cookie %v", q.cookie.id)
	case routeAnswered:
		if r.cookie != (value{}) {
			t.setCookie(r.cookie)
			q.cookie = value{}
			emit(t, "route: the jar gets %v", r.cookie.id)
		}
	}
}

// silentRoute reports whether a request with an old value gets an identity for this
// request alone, and no cookie.
func (w *world) silentRoute(s *state, r *request) bool {
	if s.revoked[r.id] > s.fence[r.id] { // by a Revoke
		return w.RoutesSilentRevoked && !r.late
	}
	return w.RoutesSilent && w.inT(s, r)
}
