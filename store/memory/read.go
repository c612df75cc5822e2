package memory

import (
	"context"

	"github.com/mirage-go/mirage/store"
)

// Read implements Log.
func (h *memHandle) Read(
	_ context.Context, ref store.LinkRef, after uint64, room int, dst []store.Entry,
) ([]store.Entry, store.Tail, error) {
	l, err := h.memLog, h.enter()
	defer l.unlock()

	r := l.reader(ref.Reader)
	switch {
	case err == store.ErrMoved && r.ended(ref.Number) == store.ErrSuperseded: // before the move
		return dst, store.Tail{}, store.ErrSuperseded
	case err != nil:
		return dst, store.Tail{}, err
	case r == nil: // it was forgotten
		return dst, store.Tail{}, store.ErrRenewed
	}

	k := r.link(ref.Number)
	switch {
	case k == nil || k.turn != ref.Turn:
		return dst, store.Tail{}, store.ErrSuperseded
	case k.end != nil:
		return dst, store.Tail{}, k.end
	}

	l.woken = false
	var told []store.Undelivered
	top := l.top()
	if after >= top || l.sparse != nil && l.isLast(after) { // nothing new, so there is time for cleaning up
		l.forget()
		if l.undelivered != nil {
			told = l.tell()
		}
		l.trim(l.passed(easy))
	}

	t := store.Tail{Undelivered: told, Epoch: l.epoch, Acked: r.acked, Accepted: l.accepted(r.name)}
	if l.topics != nil {
		t.Topics = l.topics.version
	}
	after = max(after, r.acked) // the client may have acknowledged more on another link
	if after+1 < l.floor {
		t.Gap = store.Lost{From: after + 1, To: l.floor - 1}
		t.GapReason = l.loss.reason(after)
		t.Told = r.told >= t.Gap.To
		r.told, r.missed = t.Gap.To, store.Lost{}
		after = t.Gap.To
	}

	// As many entries as fit into room, but one at least.
	if l.sparse != nil {
		dst, after, t.More = l.readSparse(r.name, after, room, dst)
	} else {
		for seq, first := after+1, true; seq <= top; seq, first = seq+1, false {
			s := l.entries.at(int(seq - l.floor))
			if room -= int(s.size); room < 0 && !first {
				break
			}
			e := store.Entry{Seq: seq}
			if name := l.only[seq]; name == "" || name == r.name {
				e.Message = s.message
			}
			dst = append(dst, e)
			after = seq
		}
		t.More = after < top
	}

	if after > r.sent {
		r.sent = after
		if r.plain && l.entries.n > 0 { // its only sign of life; reading the clock would cost more
			r.took = int64(l.entries.at(l.entries.n-1).at) * tick
		}
	}
	if after > l.sent {
		l.sent = after
	}
	return dst, t, nil
}

// Behind implements Log.
func (h *memHandle) Behind(_ context.Context, seq uint64) (readers int, top uint64, err error) {
	l, err := h.memLog, h.enter()
	defer l.unlock()
	if err != nil {
		return 0, 0, err
	}

	top = l.top()
	if seq == 0 {
		seq = top
	}

	for _, r := range l.readers {
		if (len(r.links) > 0 || r.here && !r.plain) && l.behind(r.has(), seq) {
			readers++
		}
	}
	return readers, top, nil
}

// behind reports whether a reader that has everything up to has lacks something up to
// seq, or has to be told of a gap.
func (l *memLog) behind(has, seq uint64) bool {
	if has >= seq || l.sparse == nil || has+1 < l.floor {
		return has < seq
	}
	i := l.next(has)
	return i < l.entries.n && l.seqAt(i) <= seq
}

// Ack implements Log.
func (h *memHandle) Ack(_ context.Context, ref store.LinkRef, p store.Position) error {
	older, err := false, h.enterLink(ref)
	if err == nil {
		older, err = h.ack(ref, p)
	}
	h.unlock()
	if older {
		h.wake()
	}
	return err
}

func (l *memLog) ack(ref store.LinkRef, p store.Position) (older bool, err error) {
	r := l.reader(ref.Reader)
	if r == nil {
		return false, store.ErrNotFound
	}
	if p.Epoch == l.epoch && p.Seq > l.top() {
		return false, store.ErrAhead
	}

	if k := r.link(ref.Number); k != nil {
		older = l.speak(r, k)
	}
	if p.Epoch == l.epoch {
		l.acknowledge(r, p.Seq)
	}
	return older, nil
}

// acknowledge records that the reader has everything up to seq.
func (l *memLog) acknowledge(r *memReader, seq uint64) {
	r.acked = max(r.acked, seq)
	l.mark = max(l.mark, seq)
	l.trim(l.passed(easy))
}

// speak records that the client uses a link. The first time, it ends the older links of
// the reader, and reports whether there were any.
func (l *memLog) speak(r *memReader, k *memLink) (older bool) {
	k.heard = l.store.now()
	if k.number <= r.spoken {
		return false
	}
	r.spoken = k.number
	for i := range r.links {
		if o := &r.links[i]; o.number < k.number && o.end == nil {
			o.end, older = store.ErrSuperseded, true
		}
	}
	return older
}
