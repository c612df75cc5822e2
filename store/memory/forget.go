package memory

import (
	"context"
	"slices"

	"github.com/mirage-go/mirage/store"
)

// Detach implements Log.
func (h *memHandle) Detach(_ context.Context, ref store.LinkRef) (left uint64, err error) {
	l := h.memLog
	l.mu.Lock()
	defer l.unlock()
	if l.gone != nil {
		return 0, l.gone
	}

	r := l.reader(ref.Reader)
	if r == nil {
		return 0, nil
	}

	n := len(r.links)
	r.links = slices.DeleteFunc(r.links, func(k memLink) bool {
		gone := k.number == ref.Number && (k.turn == ref.Turn || ref.Turn == 0)
		if gone {
			l.linkGone(k.number)
		}
		return gone
	})
	l.links -= int32(n - len(r.links))
	l.account()

	switch {
	case len(r.links) > 0:
		return 0, nil
	case len(r.links) < n:
		l.away(r)
	case !r.pruned:
		return 0, nil
	}
	r.pruned = false
	return r.left, nil
}

// away records that the reader has lost its last link.
func (l *memLog) away(r *memReader) {
	l.departs++
	r.left, r.leftAt = l.departs, l.store.now()
	if !l.linked() {
		l.markIdle()
	}
}

// lingering is how many ended links, beyond MaxLinks, are kept until their owners detach
// them.
const lingering = 32

// prune drops the oldest of the ended links if there are too many. Owners that still
// exist learn of the end in Read, and detach at once.
func (l *memLog) prune() {
	if int(l.links) <= l.bounds.MaxLinks+lingering {
		return
	}

	var ended []uint64
	for _, r := range l.readers {
		for i := range r.links {
			if r.links[i].end != nil {
				ended = append(ended, r.links[i].number)
			}
		}
	}
	over := len(ended) - l.bounds.MaxLinks - lingering
	if over <= 0 {
		return
	}

	// Drop the oldest of them.
	slices.Sort(ended)
	last := ended[over-1]
	for _, r := range l.readers {
		n := len(r.links)
		r.links = slices.DeleteFunc(r.links, func(k memLink) bool {
			gone := k.end != nil && k.number <= last
			if gone {
				l.linkGone(k.number)
			}
			return gone
		})
		l.links -= int32(n - len(r.links))
		if len(r.links) == 0 && n > 0 {
			r.pruned = true
			l.away(r)
		}
	}
	l.account()
}

// Leave implements Log.
func (h *memHandle) Leave(_ context.Context, reader string, left uint64) (gone bool, err error) {
	l := h.memLog
	l.mu.Lock()
	defer l.unlock()
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

// depart marks all readers as gone, and returns those that were here. The log is locked.
func (l *memLog) depart(id string) (left []store.Left) {
	for _, r := range l.readers {
		if r.here {
			left = append(left, store.Left{ID: id, Reader: r.name, Plain: r.plain})
		}
		r.here = false
	}
	return left
}

// forget drops the readers that have been away for the retention. If too many are away,
// it also drops those that left first.
func (l *memLog) forget() {
	if !slices.ContainsFunc(l.readers, func(r *memReader) bool { return len(r.links) == 0 }) {
		return
	}

	before, were := l.store.now()-int64(l.bounds.Retention), len(l.readers)
	away := 0
	l.readers = slices.DeleteFunc(l.readers, func(r *memReader) bool {
		if len(r.links) > 0 {
			return false
		}
		if r.leftAt <= before {
			l.giveUp(r)
			l.readerGone(r)
			return true
		}
		away++
		return false
	})

	// Beyond the bound, give up those that left first.
	for ; away > l.bounds.MaxReaders; away-- {
		first := -1
		for i, r := range l.readers {
			if len(r.links) == 0 && (first < 0 || r.left < l.readers[first].left) {
				first = i
			}
		}
		l.giveUp(l.readers[first])
		l.readerGone(l.readers[first])
		l.readers = slices.Delete(l.readers, first, first+1)
	}

	if len(l.readers) < were {
		l.account()
	}
}

// Quit implements Log.
func (h *memHandle) Quit(_ context.Context, ref store.LinkRef) (here bool, ended *store.Ended, err error) {
	h.store.mu.Lock()
	here, ended, err = h.quit(ref)
	if ended != nil {
		delete(h.store.logs, ended.ID)
	}
	mark := h.release()
	h.store.mu.Unlock()
	h.store.commit(mark)
	h.wake()
	return here, ended, err
}

// quit is Quit. It returns with the log locked.
func (h *memHandle) quit(ref store.LinkRef) (here bool, ended *store.Ended, err error) {
	l := h.memLog
	err = h.enterLink(ref)
	if err != nil {
		return false, nil, err
	}

	r := l.reader(ref.Reader)
	if r == nil {
		return false, nil, store.ErrNotFound
	}

	l.giveUp(r)
	l.readerGone(r)
	l.readers = slices.DeleteFunc(l.readers, func(o *memReader) bool { return o == r })
	l.links -= int32(len(r.links))
	l.forget()
	if len(l.readers) == 0 {
		over := l.endLocked(store.ErrNotFound)
		return r.here, &over, nil
	}

	l.account()
	l.trim(l.passed(easy))
	if !l.linked() {
		l.markIdle()
	}
	return r.here, nil, nil
}
