package session

import (
	"context"
	"slices"
)

// memReader is one client object's place in a log.
type memReader struct {
	name   string
	plain  bool
	here   bool   // reported as here: Leave has not said yet that it is gone
	acked  uint64 // it has everything up to here
	sent   uint64 // a link of it has read up to here
	told   uint64 // the application has heard of gaps up to here
	spoken uint64 // the newest link on which the client has spoken
	left   uint64 // its last departure, 0 before the first
	leftAt int64  // and when that was
	links  []memLink
}

// memLink is one link; it stays until its owner detaches it.
type memLink struct {
	number, turn uint64
	heard        int64 // when the client was last heard of on it
	end          error // why Read sends its owner away; nil while it is good
}

func (l *memLog) reader(name string) *memReader {
	for _, r := range l.readers {
		if r.name == name {
			return r
		}
	}
	return nil
}

func (r *memReader) link(number uint64) *memLink {
	for i := range r.links {
		if r.links[i].number == number {
			return &r.links[i]
		}
	}
	return nil
}

// linked tells whether any reader has a link.
func (l *memLog) linked() bool {
	return slices.ContainsFunc(l.readers, func(r *memReader) bool { return len(r.links) > 0 })
}

// Attach implements Log.
func (l *memLog) Attach(_ context.Context, c Claim) (Attached, error) {
	l.mu.Lock()
	a, err := l.attach(c)
	l.mu.Unlock()
	if err == nil {
		l.wake() // a link may have been superseded
	}
	return a, err
}

func (l *memLog) attach(c Claim) (Attached, error) {
	if l.gone != nil {
		return Attached{}, l.gone
	}
	l.forget()
	r := l.reader(c.Reader)
	if c.Link != 0 {
		return l.goOn(r, c)
	}
	a := Attached{Sent: l.sent, Accepted: l.accepted(c.Reader), Fresh: r == nil}
	start := l.place(&a, r, c)
	if r == nil {
		r = &memReader{name: c.Reader, plain: c.Plain, acked: start, sent: start}
		l.readers = append(l.readers, r)
	}
	if a.Resumed || a.Reason == Trimmed || a.Reason == Ahead { // it says that it has what is before
		l.acknowledge(r, start)
	}
	a.Joined, r.here = !r.here, true
	if l.previous != "" && l.store.now() < l.prevTil {
		a.Previous = l.previous
	}
	l.number++
	r.links = append(r.links, memLink{number: l.number, turn: 1, heard: l.store.now()})
	l.crowd()
	l.stir()
	a.Link = LinkRef{r.name, l.number, 1}
	a.Position = l.position(start)
	return a, nil
}

// place finds the seq after which a new link reads, and says in a how that compares with what the client wished.
func (l *memLog) place(a *Attached, r *memReader, c Claim) uint64 {
	start := l.mark
	switch {
	case r != nil:
		start = r.acked
	case c.Plain:
		start = max(l.mark, l.sent)
	}
	p := c.Position
	switch {
	case c.Given == Nothing:
		a.Reason = NoPosition
	case c.Given == Malformed:
		a.Reason = Unreadable
	case p.Epoch != l.epoch:
		a.Reason, a.Lost = l.foreign(p.Epoch), Lost{From: p.Seq + 1}
		if r == nil {
			start = 0 // it has nothing of this epoch
		}
	case p.Tag != 0:
		a.Reason, a.Lost = Diverged, Lost{From: p.Seq + 1}
	case r != nil && p.Seq < r.acked: // it sent this before it acknowledged more, on another link
		a.Resumed = true
		start = r.acked
	case p.Seq > l.top():
		a.Reason, a.Lost = Ahead, Lost{l.top() + 1, p.Seq}
		start = l.top()
	case p.Seq+1 < l.floor:
		a.Reason, a.Lost = Trimmed, Lost{p.Seq + 1, l.floor - 1}
		start = p.Seq
	default:
		a.Resumed = true
		start = p.Seq
	}
	return start
}

// foreign says why the log has another epoch than the client.
func (l *memLog) foreign(epoch uint64) Missing {
	switch {
	case slices.Contains(l.absorbed, epoch):
		return Relocated
	case uint32(epoch>>32) != l.store.boot:
		return Restarted
	default:
		return Expired
	}
}

// goOn lets another request carry a link: the turn passes to it, and the client speaks on it.
func (l *memLog) goOn(r *memReader, c Claim) (Attached, error) {
	if r == nil {
		return Attached{}, ErrNotFound
	}
	k := r.link(c.Link)
	switch {
	case k == nil:
		return Attached{}, ErrNotFound
	case k.end != nil:
		return Attached{}, k.end
	}
	start := r.acked
	if c.Given == Presented && c.Position.Epoch == l.epoch {
		if c.Position.Seq > l.top() {
			return Attached{}, ErrAhead
		}
		l.acknowledge(r, c.Position.Seq)
		start = r.acked
	}
	l.speak(r, k)
	k.turn++
	return Attached{
		Link:     LinkRef{r.name, k.number, k.turn},
		Position: l.position(start),
		Resumed:  true,
		Sent:     l.sent,
		Accepted: l.accepted(r.name),
	}, nil
}

// Read implements Log.
func (l *memLog) Read(_ context.Context, ref LinkRef, after uint64, room int, dst []Entry) ([]Entry, Tail, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone != nil {
		return dst, Tail{}, l.gone
	}
	r := l.reader(ref.Reader)
	if r == nil {
		return dst, Tail{}, ErrNotFound
	}
	k := r.link(ref.Number)
	switch {
	case k == nil || k.turn != ref.Turn:
		return dst, Tail{}, ErrSuperseded
	case k.end != nil:
		return dst, Tail{}, k.end
	}
	if after >= l.top() { // nothing new, so there is time
		l.forget()
		l.trim(l.passed(easy))
	}
	t := Tail{Epoch: l.epoch, Acked: r.acked, Accepted: l.accepted(r.name)}
	after = max(after, r.acked) // as it may have said on another link
	if after+1 < l.floor {
		t.Gap = Lost{after + 1, l.floor - 1}
		t.Told = r.told >= t.Gap.To
		r.told = t.Gap.To
		after = t.Gap.To
	}
	for seq, first := after+1, true; seq <= l.top(); seq, first = seq+1, false {
		s := l.entries.at(int(seq - l.floor))
		if room -= s.message.Size(); room < 0 && !first {
			break
		}
		e := Entry{Seq: seq}
		if s.reader == "" || s.reader == r.name {
			e.Message = s.message
		}
		dst = append(dst, e)
		after = seq
	}
	t.More = after < l.top()
	if after > r.sent {
		r.sent = after
	}
	if after > l.sent {
		l.sent = after
	}
	return dst, t, nil
}

// Ack implements Log.
func (l *memLog) Ack(_ context.Context, ref LinkRef, p Position) error {
	l.mu.Lock()
	older, err := l.ack(ref, p)
	l.mu.Unlock()
	if older {
		l.wake()
	}
	return err
}

func (l *memLog) ack(ref LinkRef, p Position) (older bool, err error) {
	if l.gone != nil {
		return false, l.gone
	}
	r := l.reader(ref.Reader)
	if r == nil || ref.Number <= l.first || ref.Number > l.number { // of an earlier log of this id
		return false, ErrNotFound
	}
	if p.Epoch == l.epoch && p.Seq > l.top() {
		return false, ErrAhead
	}
	if k := r.link(ref.Number); k != nil {
		older = l.speak(r, k)
	}
	if p.Epoch == l.epoch {
		l.acknowledge(r, p.Seq)
	}
	return older, nil
}

// acknowledge notes that the reader has everything up to seq.
func (l *memLog) acknowledge(r *memReader, seq uint64) {
	r.acked = max(r.acked, seq)
	l.mark = max(l.mark, seq)
	l.trim(l.passed(easy))
}

// speak notes a sign of the client on a link, and ends the older links of its reader if it is the first on this one.
func (l *memLog) speak(r *memReader, k *memLink) (older bool) {
	k.heard = l.store.now()
	if k.number <= r.spoken {
		return false
	}
	r.spoken = k.number
	for i := range r.links {
		if o := &r.links[i]; o.number < k.number && o.end == nil {
			o.end, older = ErrSuperseded, true
		}
	}
	return older
}

// crowd ends the link heard of least recently if there are too many.
func (l *memLog) crowd() {
	n, oldest := 0, (*memLink)(nil)
	for _, r := range l.readers {
		for i := range r.links {
			k := &r.links[i]
			if k.end != nil {
				continue
			}
			if n++; oldest == nil || k.heard < oldest.heard || k.heard == oldest.heard && k.number < oldest.number {
				oldest = k
			}
		}
	}
	if n > l.bounds.Links {
		oldest.end = ErrSuperseded
	}
}

// unlink ends all links of a reader for the given reason; their owners find out by Read.
func (l *memLog) unlink(r *memReader, why error) {
	for i := range r.links {
		if r.links[i].end == nil {
			r.links[i].end = why
		}
	}
}

// Detach implements Log.
func (l *memLog) Detach(_ context.Context, ref LinkRef) (left uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone != nil {
		return 0, l.gone
	}
	r := l.reader(ref.Reader)
	if r == nil {
		return 0, nil
	}
	n := len(r.links)
	r.links = slices.DeleteFunc(r.links, func(k memLink) bool { return k.number == ref.Number && k.turn == ref.Turn })
	if len(r.links) == n || len(r.links) > 0 {
		return 0, nil
	}
	l.departs++
	r.left, r.leftAt = l.departs, l.store.now()
	if !l.linked() {
		l.rest()
	}
	return r.left, nil
}

// Leave implements Log.
func (l *memLog) Leave(_ context.Context, reader string, left uint64) (gone bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.reader(reader)
	switch {
	case l.gone != nil:
		return false, l.gone
	case r == nil || !r.here || r.left != left || len(r.links) > 0:
		return false, nil
	}
	r.here = false
	return true, nil
}

// forget drops the readers that have been away for the retention, and of too many those that left first.
func (l *memLog) forget() {
	before := l.store.now() - int64(l.bounds.Retention)
	away := 0
	l.readers = slices.DeleteFunc(l.readers, func(r *memReader) bool {
		if len(r.links) > 0 {
			return false
		}
		if r.leftAt <= before {
			return true
		}
		away++
		return false
	})
	for ; away > l.bounds.Readers; away-- {
		first := -1
		for i, r := range l.readers {
			if len(r.links) == 0 && (first < 0 || r.left < l.readers[first].left) {
				first = i
			}
		}
		l.readers = slices.Delete(l.readers, first, first+1)
	}
}

// Quit implements Log.
func (l *memLog) Quit(_ context.Context, reader string) (here bool, ended *Ended, err error) {
	l.store.mu.Lock()
	here, ended, err = l.quit(reader)
	if ended != nil {
		delete(l.store.logs, ended.ID)
	}
	l.store.mu.Unlock()
	l.wake()
	return here, ended, err
}

func (l *memLog) quit(name string) (here bool, ended *Ended, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone != nil {
		return false, nil, l.gone
	}
	r := l.reader(name)
	if r == nil {
		return false, nil, ErrNotFound
	}
	l.readers = slices.DeleteFunc(l.readers, func(o *memReader) bool { return o == r })
	l.forget()
	if len(l.readers) == 0 {
		over := l.endLocked(ErrNotFound)
		return r.here, &over, nil
	}
	l.trim(l.passed(easy))
	if !l.linked() {
		l.rest()
	}
	return r.here, nil, nil
}
