package memory

import (
	"context"
	"slices"

	"github.com/mirage-go/mirage/store"
)

// memReader is one client object's place in a log.
type memReader struct {
	name string
	readerState
	links  []memLink
	room   [1]memLink   // for links: a reader seldom has more than one
	pruned bool         // its last link was dropped, and the link's owner does not know of that departure
	saved  *readerState // nil without a journal, and before the first time
}

// readerState is what is known of a reader beside its links. With a journal, it is saved
// when a step has changed it.
type readerState struct {
	acked  uint64     // it has everything up to here
	sent   uint64     // a link of it has read up to here
	told   uint64     // the application was told of gaps up to here
	missed store.Lost // the range of entries for this reader alone that left before it got them
	spoken uint64     // the newest link that the client has used
	left   uint64     // its last departure, 0 before the first
	leftAt int64      // when that was
	took   int64      // for a plain reader: when a link of it last read something
	plain  bool
	here   bool // reported as here: Leave has not reported it gone yet
	away   bool // in a journal: it has no link
}

// memLink is one link; it stays until its owner detaches it.
type memLink struct {
	number, turn uint64
	heard        int64 // when the client last used it
	end          error // why Read refuses its owner; nil while it lives
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

// ended returns why Read refuses the link's owner, or nil if the link lives or is not
// known.
func (r *memReader) ended(number uint64) error {
	if r == nil {
		return nil
	}
	if k := r.link(number); k != nil {
		return k.end
	}
	return nil
}

// linked reports whether any reader has a link.
func (l *memLog) linked() bool {
	return slices.ContainsFunc(l.readers, func(r *memReader) bool { return len(r.links) > 0 })
}

// Renew implements Log.
func (h *memHandle) Renew(context.Context) error {
	err := h.enter()
	if err == nil {
		h.renewed = h.number
		h.since = max(h.since, h.store.clock.stamp()+1)
		for _, r := range h.readers {
			h.unlink(r, store.ErrRenewed)
		}
	}
	h.unlock()
	h.wake()
	return err
}

// Attach implements Log.
func (h *memHandle) Attach(_ context.Context, c store.Claim) (store.Attached, error) {
	var a store.Attached
	err := h.enter()
	if err == nil {
		a, err = h.attach(c)
	}
	h.unlock()
	if err == nil {
		h.wake() // a link may have been superseded
	}
	return a, err
}

// refuse returns nil if the request is valid in this log. It is not if its value was
// signed before the id was last revoked, or if it came while the id was moving, before
// this log was made, or before the last Renew.
func (l *memLog) refuse(a store.Asked) error {
	switch {
	case !a.Signed.IsZero() && a.Signed.UnixNano() <= l.bar:
		return store.ErrRevoked
	case !a.Came.IsZero() && a.Came.UnixNano() < l.since:
		return store.ErrMoved
	}
	return nil
}

func (l *memLog) attach(c store.Claim) (store.Attached, error) {
	if err := l.refuse(c.Asked); err != nil {
		return store.Attached{}, err
	}

	if c.Link == 0 {
		l.prune()
	}
	l.forget()

	r := l.reader(c.Reader)
	if c.Link != 0 {
		return l.goOn(r, c)
	}

	switch {
	case r == nil && !l.admits():
		return store.Attached{}, store.ErrBudget
	case !l.makeRoom(r):
		return store.Attached{}, store.ErrCrowded
	}

	a := store.Attached{Sent: l.sent, Accepted: l.accepted(c.Reader), Fresh: r == nil}
	start := l.place(&a, r, c)
	// owns reports whether the client has everything up to start.
	owns := a.Resumed || a.Reason == store.MissingTrimmed || a.Reason == store.MissingAhead

	if r == nil {
		r = &memReader{name: c.Reader, readerState: readerState{plain: c.Plain, acked: start, sent: start}}
		r.links = r.room[:0]
		l.readers = append(l.readers, r)
		l.cameBack(r.name, start, owns)
	}
	if owns {
		l.acknowledge(r, start)
	}

	a.Joined, r.here, r.pruned = !r.here, true, false
	if l.past != nil && l.store.now() < l.past.until {
		a.Previous = l.past.id
	}

	l.number++
	r.links = append(r.links, memLink{number: l.number, turn: 1, heard: l.store.now()})
	l.links++
	l.account()
	l.markActive()
	a.Link = store.LinkRef{Reader: r.name, Number: l.number, Turn: 1}
	a.Position = l.position(start)
	return a, nil
}

// place returns the seq after which a new link reads, and records in a how that compares
// with the client's position.
func (l *memLog) place(a *store.Attached, r *memReader, c store.Claim) uint64 {
	start := l.mark
	switch {
	case r != nil:
		start = r.acked
	case c.Plain:
		start = max(l.mark, l.sent)
	}

	p := c.Position
	switch {
	case c.Given == store.GivenNothing:
		a.Reason = store.MissingNoPosition
	case c.Given == store.GivenMalformed:
		a.Reason = store.MissingUnreadable
	case p.Epoch != l.epoch:
		if a.Reason = l.foreign(p.Epoch); a.Reason != store.MissingNoPosition {
			a.Lost = store.Lost{From: p.Seq + 1}
		}
		if r == nil {
			start = 0 // it has nothing of this epoch
		}
	case p.Tag != 0:
		a.Reason, a.Lost = store.MissingDiverged, store.Lost{From: p.Seq + 1}
	case r != nil && p.Seq < r.acked: // it sent this before it acknowledged more, on another link
		a.Resumed = true
		start = r.acked
	case p.Seq > l.top():
		a.Reason, a.Lost = store.MissingAhead, store.Lost{From: l.top() + 1, To: p.Seq}
		start = l.top()
	case p.Seq+1 < l.floor:
		a.Reason, a.Lost = store.MissingTrimmed, store.Lost{From: p.Seq + 1, To: l.floor - 1}
		start = p.Seq
	default:
		a.Resumed = true
		start = p.Seq
	}
	return start
}

// foreign returns why the log has another epoch than the client's position.
func (l *memLog) foreign(epoch uint64) store.Missing {
	switch {
	case l.past != nil && slices.Contains(l.past.epochs, epoch):
		return store.MissingRelocated
	case uint32(epoch>>32) != l.store.boot:
		return store.MissingRestarted
	case l.store.over.another(epoch, l.handle.as.id):
		return store.MissingNoPosition
	default:
		return store.MissingExpired
	}
}

// goOn lets another request carry a link: it gets the next turn, and the client uses the
// link.
func (l *memLog) goOn(r *memReader, c store.Claim) (store.Attached, error) {
	if r == nil {
		return store.Attached{}, store.ErrNotFound
	}

	k := r.link(c.Link)
	switch {
	case k == nil, k.end == store.ErrRenewed: // the client begins a new one
		return store.Attached{}, store.ErrNotFound
	case k.end != nil:
		return store.Attached{}, k.end
	}

	start := r.acked
	if c.Given == store.GivenPresented && c.Position.Epoch == l.epoch {
		if c.Position.Seq > l.top() {
			return store.Attached{}, store.ErrAhead
		}
		l.acknowledge(r, c.Position.Seq)
		start = r.acked
	}

	l.speak(r, k)
	k.turn++
	return store.Attached{
		Link:     store.LinkRef{Reader: r.name, Number: k.number, Turn: k.turn},
		Position: l.position(start),
		Resumed:  true,
		Sent:     l.sent,
		Accepted: l.accepted(r.name),
	}, nil
}

// makeRoom reports whether r, which is nil for a new reader, may have one more link, and
// ends another link for it if necessary. See Log.Attach.
func (l *memLog) makeRoom(r *memReader) bool {
	live := 0
	for _, o := range l.readers {
		live += o.live()
	}
	if live < l.bounds.MaxLinks {
		return true
	}

	var oldest, spare *memLink // used least recently: of all, and of those whose reader has another one
	for _, o := range l.readers {
		several := o == r || o.live() > 1
		for i := range o.links {
			k := &o.links[i]
			if k.end != nil {
				continue
			}
			if k.before(oldest) {
				oldest = k
			}
			if several && k.before(spare) {
				spare = k
			}
		}
	}

	switch {
	case spare != nil:
		spare.end = store.ErrSuperseded
	case oldest == nil: // there are no links at all
	case l.store.now()-oldest.heard < int64(l.bounds.Quiet):
		return false
	default:
		oldest.end = store.ErrCrowded
	}
	return true
}

// live returns how many links of the reader have not ended.
func (r *memReader) live() (n int) {
	for i := range r.links {
		if r.links[i].end == nil {
			n++
		}
	}
	return n
}

// before reports whether k was used less recently than o, which may be nil.
func (k *memLink) before(o *memLink) bool {
	return o == nil || k.heard < o.heard || k.heard == o.heard && k.number < o.number
}

// unlink ends all links of a reader for the given reason. Their owners learn of it in
// Read.
func (l *memLog) unlink(r *memReader, why error) {
	for i := range r.links {
		if r.links[i].end == nil {
			r.links[i].end = why
		}
	}
}
