package memory

// save appends the states that have changed to r.
func (ids *memIDs) save(r *record) {
	for i, st := range ids.changed {
		st.isChanged, ids.changed[i] = false, nil
		if ids.states[st.id] == st {
			st.save(r)
		}
	}
	ids.changed = ids.changed[:0]
}

func (st *memID) save(r *record) {
	r.byte(sectionID)
	r.text(st.id)
	r.int(st.revokedAt)
	r.int(st.revokedUntil)
	r.int(st.settledAt)
	r.text(st.to)
	r.text(st.client)
	r.int(st.leadsUntil)
	r.uint(st.ledBy)
	r.uint(st.ways)
}

// loadID takes over the state of an id. The numbers of ways that lead to it are counted
// by countWays.
func (ids *memIDs) loadID(s *scan) {
	id := s.text()
	st := &memID{
		id: id, revokedAt: s.int(), revokedUntil: s.int(), settledAt: s.int(),
		to: s.text(), client: s.text(), leadsUntil: s.int(), ledBy: s.uint(), ways: s.uint(),
	}
	if s.err != nil {
		return
	}
	ids.ways = max(ids.ways, st.ways, st.ledBy)
	if old := ids.states[id]; old != nil {
		st.next = old.next
		*old = *st
		return
	}
	ids.states[id] = st
	ids.bytes.Add(st.cost())
	ids.line(st)
}

// countWays counts the ways that lead to each id, after all states were loaded. Those
// that have expired end.
func (ids *memIDs) countWays(now int64) {
	for _, st := range ids.states {
		if st.led = 0; st.leadsUntil <= now {
			st.to, st.client, st.leadsUntil = "", "", 0
		}
	}
	for _, st := range ids.states {
		if st.to != "" && ids.leads(st) {
			ids.states[st.to].led++
		}
	}
}

// lastStamp returns a time that no stamp in the states exceeds.
func (ids *memIDs) lastStamp() (last int64) {
	for _, st := range ids.states {
		last = max(last, st.revokedAt)
	}
	return last
}
