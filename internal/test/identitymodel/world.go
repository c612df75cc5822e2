package identitymodel

// A world is a scenario: the actors, the kind of store, and the rules.
type world struct {
	rules
	name  string
	redis bool // a Move is a series of steps in several shards; otherwise it is one step

	logins   []loginKind // one after the other: from x to y, then from y to z
	operator []task

	attackers  int  // how many requests the attacker has under way at once
	stolenY    bool // the attacker holds a value of y as well
	attackerIn bool // the attacker logs in as itself with the old id

	tabs  int  // honest tabs: the first is open, the second between two polls
	route bool // one of them sends a request to a route of the application

	nodeDies   bool // the log-in's node may die at any of its steps
	answerLost bool // the log-in's response may be lost once; its tab then sends it again
	renewals   bool // the tabs' cookies are due for renewal, in the responses of their links
	published  bool // nodes deliver from publications, without reading the store
	clockAhead bool // the clock of node 1 is ahead of the Store's
}

// A loginKind is a way in which a log-in changes the id.
type loginKind int8

const (
	rotate  loginKind = iota // middleware.Rotate: the old id is revoked
	replace                  // Validate returns another id: the old one stays valid
)

func (k loginKind) String() string { return [...]string{"rotate", "replace"}[k] }

// A task is one thing that an operator, or the user elsewhere, does at node 1.
type task struct {
	do operation
	id id
}

type operation int8

const (
	revoke     operation = iota // Manager.Revoke
	logOut                      // middleware.Logout, after the log-in
	revalidate                  // Manager.Revalidate
	logInAgain                  // the user comes with a newly signed value
)

// does reports whether the operator has a task of this kind, with any id.
func (w *world) does(do operation) bool {
	for _, t := range w.operator {
		if t.do == do {
			return true
		}
	}
	return false
}

// start returns the initial state: x has a session, the attacker has a value and a link
// of it, and the tab that logs in has sent its request.
func (w *world) start() state {
	s := state{now: 2}
	s.logs[1] = sessionLog{state: logLive, id: idX}
	s.dir[idX] = handle{log: 1}
	s.jar = value{idX, 1}
	open := link{handle{log: 1}, idX, linkLive}

	s.stolen = setOf(value{idX, 1})
	if w.stolenY {
		s.stolen |= setOf(value{idY, 1})
	}
	for i := range w.attackers {
		s.attackLinks[i] = open
		s.caches[1][idX] = handle{log: 1}
	}

	if len(w.logins) > 0 {
		s.login = request{step: loginSent, value: s.jar}
	}
	if w.tabs > 0 {
		s.tabs[0].step, s.tabs[0].link = tabOpen, open
		s.caches[1][idX] = handle{log: 1}
	}
	return s
}

// An emitFunc receives a state that can come next, and a description of the step to it.
type emitFunc func(next state, format string, args ...any)

// steps emits every state that can follow s.
func (w *world) steps(s state, emit emitFunc) {
	w.attackerSteps(s, emit)
	w.loginSteps(s, emit)
	w.operatorSteps(s, emit)
	w.tabSteps(s, emit)
	w.routeSteps(s, emit)
	w.storeSteps(s, emit)
	w.timeSteps(s, emit)
}
