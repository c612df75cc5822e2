package identitymodel

// The steps of an attacker's request, each named for what happens next. The attacker
// keeps sending requests, with every value and to every node.
const (
	attackerIdle step = iota

	// A GET with one of its values.
	attackerResolves
	attackerIsAnswered // it gets a value
	attackerOpens
	attackerAttaches

	// A POST with the token of its latest link.
	attackerOpensToPost
	attackerAcks
	attackerBegins

	// A log-in as itself with the old id.
	attackerMoves
	attackerBeginsMove
)

func (w *world) attackerSteps(s state, emit emitFunc) {
	for i := range w.attackers {
		r := s.attacks[i]
		switch r.step {
		case attackerIdle:
			w.attackerSends(s, i, emit)
		case attackerResolves, attackerIsAnswered, attackerOpens, attackerAttaches:
			w.attackerGets(s, i, emit)
		case attackerOpensToPost, attackerAcks, attackerBegins:
			w.attackerPosts(s, i, emit)
		case attackerMoves, attackerBeginsMove:
			w.attackerLogsIn(s, i, emit)
		}
	}
}

// attackerSends begins a request of each kind.
func (w *world) attackerSends(s state, i int, emit emitFunc) {
	// A GET with any value, at any node.
	for v := (value{idX, 1}); v.id <= idY; v.id++ {
		for v.signed = 1; v.signed <= lastInstant; v.signed++ {
			if !s.stolen.has(v) {
				continue
			}
			for node := range int8(nodes) {
				came := s.now
				if node == 1 && !w.StoreClock && w.clockAhead {
					came++
				}
				t := s
				t.attacks[i] = request{step: attackerResolves, node: node, value: v, came: came, late: s.tOver[v.id]}
				emit(t, "attacker %d: GET at node %d with %v signed at %d, came at %d", i, node, v.id, v.signed, came)
			}
		}
	}

	// A log-in, once.
	if own := setOf(value{idOther, 1}); w.attackerIn && s.stolen&own == 0 {
		t := s
		t.stolen |= own
		t.attacks[i] = request{step: attackerMoves, value: value{idX, 1}, came: s.now}
		emit(t, "attacker %d: logs in as itself with x: Resolve", i)
	}

	k := s.attackLinks[i]
	if k.state == linkNone {
		return
	}

	// A POST with the token of its link, at any node.
	for node := range int8(nodes) {
		t := s
		t.attacks[i] = request{step: attackerOpensToPost, node: node, value: value{id: k.id}}
		emit(t, "attacker %d: POST at node %d with its link token of %v", i, node, k.id)
	}

	// The events that its link reads.
	reads := w.accepts(&s, k.handle, k.id) && k.state == linkLive
	if w.published && !w.PublishMoves {
		reads = s.logs[k.log].state == logLive
	}
	if !reads {
		return
	}
	t := s
	w.reach(&t, k.id, k.handle)
	if k.state == linkRenewed && s.renewalAcked {
		t.fault = faultRenewedCounts
	}
	if t.fault != noFault {
		emit(t, "attacker %d: its link reads", i)
	}
}

func (w *world) attackerGets(s state, i int, emit emitFunc) {
	t := s
	r := s.attacks[i]

	switch r.step {
	case attackerResolves:
		if s.revoked[r.id] >= r.signed {
			t.attacks[i] = request{}
			emit(t, "attacker %d: Resolve refuses", i)
			return
		}
		t.attacks[i].step = attackerIsAnswered
		emit(t, "attacker %d: Resolve lets it pass", i)
	case attackerIsAnswered:
		w.attackerLearns(s, i, emit)
	case attackerOpens:
		switch w.open(&t, &t.attacks[i], true) {
		case granted:
			t.attacks[i].step = attackerAttaches
			emit(t, "attacker %d: node %d has a handle of log %d for %v", i, r.node, t.attacks[i].handle.log, r.id)
		case refused, comeBack:
			t.attacks[i] = request{}
			emit(t, "attacker %d: Open refuses", i)
		}
	case attackerAttaches:
		if k, ok := w.attach(&t, &t.attacks[i]); ok {
			t.attackLinks[i] = k
			w.reach(&t, r.id, r.handle)
			emit(t, "attacker %d: attached to log %d, which is %v's", i, r.handle.log, s.logs[r.handle.log].id)
		} else {
			emit(t, "attacker %d: Attach refuses", i)
		}
		// Until the request is done, it may attach a second time: a node repeats a step
		// whose response was lost.
		t.attacks[i] = request{}
		emit(t, "attacker %d: done", i)
	}
}

// attackerLearns answers a GET with a value.
func (w *world) attackerLearns(s state, i int, emit emitFunc) {
	r := s.attacks[i]
	signed := s.now
	if w.SignCame {
		signed = r.came
	}

	if w.AskedSilently {
		signed = r.signed // it gets the value that it presented, unless a new one is due
		if r.came > r.signed {
			t := s
			t.stolen |= setOf(value{r.id, r.came})
			t.attacks[i].step = attackerOpens
			if s.revoked[r.id] > 0 && r.came > s.revoked[r.id] && s.revokeAcked[r.id] {
				t.fault = faultValueOutlives
			}
			emit(t, "attacker %d: gets %v signed at %d", i, r.id, r.came)
		}
	}

	t := s
	t.stolen |= setOf(value{r.id, signed})
	t.attacks[i].step = attackerOpens
	if s.revoked[r.id] > 0 && signed > s.revoked[r.id] && s.revokeAcked[r.id] && s.revoked[r.id] >= r.signed {
		t.fault = faultValueOutlives
	}
	emit(t, "attacker %d: gets %v signed at %d", i, r.id, signed)
}

func (w *world) attackerPosts(s state, i int, emit emitFunc) {
	t := s
	r, k := s.attacks[i], s.attackLinks[i]
	if r.step == attackerOpensToPost {
		switch w.open(&t, &t.attacks[i], false) {
		case granted:
			t.attacks[i].step = attackerAcks
			emit(t, "attacker %d: node %d has a handle of log %d for its POST", i, r.node, t.attacks[i].handle.log)
		case refused:
			t.attacks[i] = request{}
			emit(t, "attacker %d: POST is answered 401", i)
		}
		return
	}

	ok := w.accepts(&s, r.handle, r.id) && (k.log == r.handle.log || !w.UniqueLinks)
	if k.state == linkRenewed &&
		(r.step == attackerAcks && w.AckRenewed || r.step == attackerBegins && w.BeginRenewed) {
		ok = false
	}
	switch {
	case !ok:
		t.forget(&r)
		t.attacks[i] = request{}
		emit(t, "attacker %d: POST is refused", i)
	case r.step == attackerAcks:
		t.attacks[i].step = attackerBegins
		emit(t, "attacker %d: Ack lets it pass", i)
	default:
		t.attacks[i] = request{}
		w.reach(&t, r.id, r.handle)
		if k.state == linkRenewed && s.renewalAcked {
			t.fault = faultRenewedCounts
		}
		emit(t, "attacker %d: its POST is accepted in log %d, which is %v's", i, r.handle.log, s.logs[r.handle.log].id)
	}
}

// attackerLogsIn moves x to an id of the attacker's own. This makes two log-ins with one
// id.
func (w *world) attackerLogsIn(s state, i int, emit emitFunc) {
	t := s
	r := s.attacks[i]
	if r.step == attackerBeginsMove {
		l := &s.logs[r.handle.log]
		if l.state != logLive || l.id != idX || l.moves != r.handle.moves || l.phase != moveSettled {
			t.attacks[i].step = attackerMoves
			emit(t, "attacker %d: its Move looks again", i)
			return
		}
		t.begin(r.handle, idX, idOther, r.came, w.logins[0])
		t.attacks[i] = request{}
		emit(t, "attacker %d: its Move begins", i)
		return
	}

	h, settled := s.lookUp(idX)
	switch {
	case !settled:
	case w.RevokeInMove && s.revoked[idX] >= r.signed:
		t.attacks[i] = request{}
		emit(t, "attacker %d: its Move is refused", i)
	case h.log == 0:
		if w.RevokeInMove {
			w.leave(&t, idX, w.logins[0] == rotate)
		}
		t.attacks[i] = request{}
		emit(t, "attacker %d: its Move finds no session", i)
	default:
		t.attacks[i].step, t.attacks[i].handle = attackerBeginsMove, h
		emit(t, "attacker %d: its Move looks where x is", i)
	}
}
