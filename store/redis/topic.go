package redis

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"

	"github.com/mirage-go/mirage/store"
)

// Publish implements store.Topic. If the error is store.ErrUncertain, the caller may
// repeat the call with the same *Message: it is the same publication.
func (h *topicHandle) Publish(ctx context.Context, p store.Publication) (store.TopicPosition, error) {
	a := h.s.topics.uncertain.attempt(h, p.Message)
	at, err := h.publish(ctx, p, a)
	if errors.Is(err, store.ErrUncertain) {
		h.s.topics.uncertain.remember(h, p.Message, a)
	}
	return at, err
}

func (h *topicHandle) publish(
	ctx context.Context, p store.Publication, a publishAttempt,
) (store.TopicPosition, error) {
	tag, err := hex.DecodeString(a.op)
	if err != nil {
		return store.TopicPosition{}, err
	}

	answer, err := h.repeat(ctx, "publish", a.op, a.before,
		someEpoch(), string(tag), fieldOf(p.Message), encodeBody(&p), kindOf(&p), strconv.Itoa(len(p.Message.Data)),
		ttl(p.Message.TTL), strconv.Itoa(h.bounds.MaxMessages), strconv.FormatInt(h.bounds.MaxBytes, 10),
		strconv.Itoa(h.bounds.MaxGrown), epochText(a.since.Epoch), decimal(a.since.Seq))
	if err != nil {
		return store.TopicPosition{}, err
	}

	if answer.text(0) == "done" { // by an attempt whose answer was lost
		at := h.position(answer.epoch(2), answer.seq(3))
		h.missed(at)
		return at, nil
	}
	f := frame{Publication: p}
	if err := f.decode(answer.text(2)); err != nil {
		return store.TopicPosition{}, err
	}
	at := h.position(f.epoch, f.seq)
	if r := h.find(); r != nil {
		r.used()
		news := r.apply(&f)
		r.mu.Unlock()
		r.wake(news)
	}
	return at, nil
}

// missed records that a message is in Redis which the replica may not have.
func (h *topicHandle) missed(at store.TopicPosition) {
	r := h.find()
	if r == nil {
		return
	}
	missing := r.log == nil || r.log.Position().Epoch != at.Epoch || r.log.Position().Seq < at.Seq
	if missing {
		r.move(replicaMissed)
	}
	r.mu.Unlock()
	if missing {
		r.wake(store.TopicNewsEntries)
	}
}

// position records and returns a position that Redis told.
func (h *topicHandle) position(epoch uint32, seq uint64) store.TopicPosition {
	at := store.TopicPosition{Topic: h.hash, Epoch: epoch, Seq: seq}
	h.sees(at)
	return at
}

func kindOf(p *store.Publication) (kind string) {
	if p.Grows {
		kind = "g"
		if p.Continues {
			kind += "c"
		}
		if p.Done {
			kind += "d"
		}
	}
	return kind
}

func epochText(epoch uint32) string { return strconv.FormatUint(uint64(epoch), 10) }

// tagText encodes a tag for a script; that of no message is empty.
func tagText(tag uint64) string {
	if tag == 0 {
		return ""
	}
	return string(binary.BigEndian.AppendUint64(nil, tag))
}

// Position implements store.Topic.
func (h *topicHandle) Position(ctx context.Context) (store.TopicPosition, error) {
	a, err := h.step(ctx, "position", someEpoch())
	if err != nil {
		return store.TopicPosition{}, err
	}
	return h.position(a.epoch(2), a.seq(3)), nil
}

// Begin implements store.Topic. The error is ErrBudget only if Redis has no memory left.
func (h *topicHandle) Begin(ctx context.Context) (store.TopicPosition, error) { return h.Position(ctx) }

// End implements store.Topic.
func (h *topicHandle) End(ctx context.Context) error {
	a, err := h.step(ctx, "end")
	if err != nil {
		return err
	}

	var e ending
	again := a.text(2) == ""
	if !again {
		if err := e.decode(a.text(2)); err != nil {
			return err
		}
	}
	h.s.topics.ended(h.name, a.epoch(3))
	if r := h.find(); r != nil {
		news := store.TopicNewsEntries | store.TopicNewsMembers
		if again {
			r.move(replicaMissed)
		} else {
			news |= r.end(e)
		}
		r.mu.Unlock()
		r.wake(news)
	}
	return nil
}

// Read implements store.Topic. A topic that is watched is read from the replica. Any
// other is read from it, too, once Redis has confirmed that it is the latest. So is one
// whose reader has more than the replica: it comes from another node.
func (h *topicHandle) Read(
	ctx context.Context, c *store.TopicCursor, max int, dst []store.TopicEntry,
) ([]store.TopicEntry, store.TopicTail, error) {
	r := h.findOrMake()
	defer r.mu.Unlock()
	seen := r.begun
	for range patience {
		r.used()
		inEnded := c.At.Epoch != 0 && c.At.Epoch == r.endedEpoch
		switch {
		case !r.readable(seen), r.log == nil && !inEnded, r.behind(c) && r.confirmed <= seen:
			if err := r.load(ctx, seen, c); err != nil {
				return dst, store.TopicTail{}, err
			}
			continue
		case inEnded && r.ended == nil:
			if err := r.loadEnded(ctx); err != nil {
				return dst, store.TopicTail{}, err
			}
			continue
		case inEnded:
			r.ended.Expire(h.s.Now().UnixNano())
			dst, more := r.ended.Read(c, max, dst)
			return dst, store.TopicTail{More: more, Ended: true}, nil
		}

		r.log.Expire(h.s.Now().UnixNano())
		if c.At.Epoch != 0 && c.At.Epoch != r.log.Epoch() {
			dst = append(dst, r.lost(c))
			*c = store.TopicCursor{}
		}
		dst, more := r.log.Read(c, max, dst)
		return dst, store.TopicTail{More: more}, nil
	}
	return dst, store.TopicTail{}, errRestless
}

// behind reports whether the reader has more of the topic than the replica, or is in an
// epoch of which the replica knows nothing.
func (r *replica) behind(c *store.TopicCursor) bool {
	if r.log == nil || c.At.Epoch == 0 || c.At.Epoch == r.endedEpoch {
		return false
	}
	return c.At.Epoch != r.log.Epoch() || c.At.Seq > r.log.Position().Seq
}

// lost returns the entry for a reader in an epoch that is lost.
func (r *replica) lost(c *store.TopicCursor) store.TopicEntry {
	why := store.MissingRestarted
	if c.At.Epoch == r.lostEpoch {
		why = store.MissingDiverged
	}
	return store.TopicEntry{Epoch: r.log.Epoch(), Lost: store.Lost{From: c.At.Seq + 1}, Reason: why}
}

// Watch implements store.Topic.
func (h *topicHandle) Watch(wake func(store.TopicNews)) (stop func()) {
	r := h.findOrMake()
	defer r.mu.Unlock()
	return r.watch(wake)
}
