package redis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/store"
)

// log is one session as it was found under an id. The epoch stays the same when the id
// changes, but the place does not, because it counts the moves.
type log struct {
	s     *Store
	id    string
	place string // epoch and moves
	hex   string // the epoch alone, which is valid after any move
	epoch uint64
	moves uint64
	asks  string // the moves, for push.lua; "" for a handle that is valid after any move
	shard int

	watched atomic.Pointer[watched] // while this handle watches the log
	sparse  atomic.Bool             // the log was sparse at the last append: the next one goes to append.lua

	mu    sync.Mutex
	read  map[linkName]readTo // the last entry that Read returned; it must still be there at the next Read
	turns map[turnName]string // the turns that this node has, and the step that got each
}

// linkName identifies a link, whichever request carries it.
type linkName struct {
	reader string
	number uint64
}

type place struct {
	seq uint64
	tag uint32
}

// readTo is how far the request with that turn has read.
type readTo struct {
	place
	turn uint64
}

func newLog(s *Store, id, v string) (*log, error) {
	hex, after, _ := strings.Cut(v, ".")
	epoch, err := strconv.ParseUint(hex, 16, 64)
	var moves uint64
	if err == nil && after != "" {
		moves, err = strconv.ParseUint(after, 10, 64)
	}
	if err != nil {
		return nil, errAnswer
	}
	return &log{
		s: s, id: id, place: v, hex: hex, epoch: epoch, moves: moves, asks: after, shard: shardOfEpoch(epoch),
	}, nil
}

// run runs a step that is refused once the session has moved.
func (l *log) run(ctx context.Context, name string, args ...string) (answer, error) {
	return l.s.run(ctx, l.shard, name, append([]string{l.place}, args...)...)
}

// runAnyway runs a step that ends something, so it is not refused after the session has
// moved.
func (l *log) runAnyway(ctx context.Context, name string, args ...string) (answer, error) {
	return l.s.run(ctx, l.shard, name, append([]string{l.hex}, args...)...)
}

// ID implements store.Log.
func (l *log) ID() string { return l.id }

// Handle implements store.Log.
func (l *log) Handle() store.Handle { return store.Handle{Epoch: l.epoch, Moves: l.moves} }

// wake wakes the watchers on this node. The script has woken those on other nodes.
func (l *log) wake() { l.s.watcher.wake(l.hex) }

func hexTag(tag uint32) string {
	if tag == 0 {
		return ""
	}
	return fmt.Sprintf("%08x", tag)
}

func parseTag(s string) uint32 {
	n, _ := strconv.ParseUint(s, 16, 32) // "" if the tag is not known
	return uint32(n)
}

// Append implements store.Log.
func (l *log) Append(ctx context.Context, m *store.Message, reader string) (store.Position, error) {
	entry, tag := encode(m, escape(reader))
	p, _, err := l.append(ctx, m, reader, entry, tag)
	return p, err
}

// Behind implements store.Log.
func (l *log) Behind(ctx context.Context, seq uint64) (readers int, top uint64, err error) {
	l.s.reports.flush(ctx, l.hex)
	a, err := l.run(ctx, "behind", decimal(seq))
	return int(a.num(1)), a.seq(2), err
}

// Attach implements store.Log.
func (l *log) Attach(ctx context.Context, c store.Claim) (store.Attached, error) {
	how := [...]string{store.GivenNothing: "n", store.GivenPresented: "p", store.GivenMalformed: "m"}[c.Given]
	name := escape(c.Reader)
	l.s.reports.flush(ctx, l.hex)
	a, _, err := l.take(ctx, "attach", name, name, flag(c.Plain), decimal(c.Link), how,
		fmt.Sprintf("%016x", c.Position.Epoch), decimal(c.Position.Seq), hexTag(c.Position.Tag),
		given(c.Asked.Signed), given(c.Asked.Came))
	if err != nil {
		return store.Attached{}, err
	}

	accepted, _ := strconv.ParseUint(a.text(10), 10, 64)
	at := store.Attached{
		Link:     store.LinkRef{Reader: c.Reader, Number: a.seq(1), Turn: a.seq(2)},
		Position: store.Position{Epoch: l.epoch, Seq: a.seq(3), Tag: parseTag(a.text(4))},
		Resumed:  a.num(5) == 1,
		Reason:   store.Missing(a.text(6)),
		Lost:     store.Lost{From: a.seq(7), To: a.seq(8)},
		Sent:     a.seq(9),
		Accepted: accepted,
		Previous: unescape(a.text(11)),
		Joined:   a.num(12) == 1,
		Fresh:    a.num(13) == 1,
	}

	// The script knows this shard alone. Another shard may know what happened to the
	// epoch of a session that moved.
	if at.Reason == store.MissingRestarted && l.s.elsewhere(ctx, l.shard, c.Position.Epoch) {
		at.Reason = store.MissingExpired
	}
	if at.Reason == store.MissingExpired && l.s.revokedElsewhere(ctx, c.Position.Epoch, l.id) {
		at.Reason, at.Lost = store.MissingNoPosition, store.Lost{}
	}

	l.note(at.Link, at.Position.Seq, at.Position.Tag)
	l.wake()
	return at, nil
}

// Read implements store.Log.
func (l *log) Read(
	ctx context.Context, ref store.LinkRef, after uint64, bytes int, dst []store.Entry,
) ([]store.Entry, store.Tail, error) {
	w := l.watched.Load()
	if got, said, ok := l.readTail(w, ref, after, bytes, dst); ok {
		return got, said, nil
	}

	var news, acked uint64
	if w != nil {
		news, acked = w.tail.begin(ref)
		after = max(after, acked)
	}
	a, err := l.run(ctx, "read", escape(ref.Reader), decimal(ref.Number), decimal(ref.Turn), decimal(after),
		l.last(ref, after), strconv.Itoa(bytes))
	if err != nil {
		return dst, store.Tail{}, err
	}

	accepted, _ := strconv.ParseUint(a.text(6), 10, 64)
	t := store.Tail{
		Gap: store.Lost{From: a.seq(1), To: a.seq(2)}, Told: a.num(4) == 1,
		Epoch: l.epoch, Acked: max(a.seq(5), acked), Accepted: accepted, More: a.num(7) == 1,
	}
	if !t.Gap.IsZero() {
		t.Tag = parseTag(a.text(3))
		t.GapReason = store.Missing(a.text(13))
		l.note(ref, t.Gap.To, t.Tag)
	}

	had := len(dst)
	for i, raw := range a.list(9) {
		e, err := decodeNth(a.seq(8), i, raw)
		if err != nil {
			return dst, t, err
		}
		e.Reader = ""
		dst = append(dst, e)
		l.note(ref, e.Seq, e.Tag)
	}

	t.Undelivered = undelivered(a.list(10))
	t.Topics = a.seq(11)
	if head := a.text(12); w != nil && len(head) == pushedLen {
		at, _ := parseAppended(head)
		w.tail.refresh(news, at, ref, t, dst[had:])
	}
	return dst, t, nil
}

// readTail is Read from the tail that this node has of the log. ok is false if Redis has
// to be asked.
func (l *log) readTail(
	w *watched, ref store.LinkRef, after uint64, bytes int, dst []store.Entry,
) (_ []store.Entry, said store.Tail, ok bool) {
	if w == nil {
		return dst, said, false
	}
	name := linkName{ref.Reader, ref.Number}
	l.mu.Lock()
	from := l.read[name].place
	l.mu.Unlock()
	if from.seq != after {
		return dst, said, false
	}

	got, said, last, ok := w.tail.read(ref, l.moves, from, bytes, min(l.s.o.Lease/8, l.s.o.SafetyRead), dst)
	if ok && last != from {
		l.note(ref, last.seq, last.tag)
		l.s.reports.sent(l, ref, last.seq)
		if w.tail.isShort() { // what a plain reader was sent may leave
			l.s.reports.hurry(l.hex)
		}
	}
	return got, said, ok
}

// undelivered decodes the part of Read's answer about readers that are no longer
// remembered.
func undelivered(list []string) (told []store.Undelivered) {
	for i := 0; i+3 < len(list); i += 4 {
		from, _ := strconv.ParseUint(list[i+2], 10, 64)
		to, _ := strconv.ParseUint(list[i+3], 10, 64)
		told = append(told, store.Undelivered{
			Reader: unescape(list[i]), Plain: list[i+1] == "1", Lost: store.Lost{From: from, To: to},
		})
	}
	return told
}

func (l *log) note(ref store.LinkRef, seq uint64, tag uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.read == nil {
		l.read = make(map[linkName]readTo)
	}
	l.read[linkName{ref.Reader, ref.Number}] = readTo{place{seq, tag}, ref.Turn}
}

func (l *log) last(ref store.LinkRef, after uint64) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.read[linkName{ref.Reader, ref.Number}]; p.seq == after {
		return hexTag(p.tag)
	}
	return ""
}

// Ack implements store.Log.
func (l *log) Ack(ctx context.Context, ref store.LinkRef, p store.Position) error {
	w := l.watched.Load()
	if w != nil {
		if ok, soon := w.tail.ack(ref, l.moves, l.epoch, p); ok {
			l.s.reports.acked(l, ref, p)
			if soon {
				l.s.reports.hurry(l.hex)
			}
			return nil
		}
	}

	a, err := l.run(ctx, "ack", escape(ref.Reader), decimal(ref.Number),
		fmt.Sprintf("%016x", p.Epoch), decimal(p.Seq), hexTag(p.Tag))
	if err != nil {
		return err
	}
	if a.num(1) == 1 {
		l.wake()
	}
	if w != nil {
		w.tail.acknowledged(ref, a.seq(2), a.num(3) == 1)
	}
	return nil
}

// Detach implements store.Log.
func (l *log) Detach(ctx context.Context, ref store.LinkRef) (uint64, error) {
	l.s.reports.flush(ctx, l.hex)
	a, err := l.runAnyway(ctx, "detach", escape(ref.Reader), decimal(ref.Number), decimal(ref.Turn))
	upTo := ref.Turn // another request carries the link on, here or at another node
	if a.num(2) == 1 || err != nil {
		upTo = math.MaxUint64
	}
	name := linkName{ref.Reader, ref.Number}
	l.mu.Lock()
	if l.read[name].turn <= upTo {
		delete(l.read, name)
	}
	l.mu.Unlock()
	if w := l.watched.Load(); w != nil {
		w.tail.forget(name, upTo)
	}
	return a.seq(1), err
}

// Leave implements store.Log.
func (l *log) Leave(ctx context.Context, reader string, left uint64) (bool, error) {
	a, err := l.runAnyway(ctx, "leave", escape(reader), decimal(left))
	return err == nil && a.num(1) == 1, err
}

// Quit implements store.Log.
func (l *log) Quit(ctx context.Context, ref store.LinkRef) (bool, *store.Ended, error) {
	l.s.reports.flush(ctx, l.hex)
	a, err := l.run(ctx, "quit", escape(ref.Reader), decimal(ref.Number))
	if err != nil {
		return false, nil, err
	}
	defer l.wake()
	if a.text(0) == "on" {
		return a.num(1) == 1, nil, nil
	}
	ended, err := l.s.ended(ctx, a)
	return a.num(5) == 1, &ended, err
}

// Renew implements store.Log.
func (l *log) Renew(ctx context.Context) error {
	return l.s.bounded(ctx, func(ctx context.Context) error {
		_, err := l.s.timed(ctx, l.shard, "renew", l.place)
		l.wake()
		if err == nil {
			l.s.catchUp(ctx, l.shard)
		}
		return err
	})
}

// Begin implements store.Log.
func (l *log) Begin(
	ctx context.Context, ref store.LinkRef, writer string, base, n uint64, lease time.Duration,
) (store.Turn, uint64, error) {
	name := escape(writer)
	a, op, err := l.take(ctx, "begin", name, name, decimal(base), decimal(n), millis(lease), decimal(ref.Number))
	if err != nil {
		return store.TurnDone, 0, err
	}

	last, err := strconv.ParseUint(a.text(2), 10, 64)
	turn, ok := turns[a.text(1)]
	if err != nil || !ok {
		return store.TurnDone, 0, errAnswer
	}

	if turn == store.TurnDeliver || turn == store.TurnAgain {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.turns == nil {
			l.turns = make(map[turnName]string)
		}
		l.turns[turnName{writer, n}] = op
	}

	return turn, last, nil
}

var turns = map[string]store.Turn{
	"deliver": store.TurnDeliver,
	"done":    store.TurnDone,
	"busy":    store.TurnBusy,
	"early":   store.TurnEarly,
	"again":   store.TurnAgain,
}

// Commit implements store.Log.
func (l *log) Commit(ctx context.Context, writer string, n uint64, handled bool) error {
	l.mu.Lock()
	own := l.turns[turnName{writer, n}]
	delete(l.turns, turnName{writer, n})
	l.mu.Unlock()
	op, args := newOp(), []string{escape(writer), decimal(n), flag(handled), own}
	_, err := l.s.repeat(ctx, l.shard, "commit", op, 0, append([]string{l.hex}, args...))
	if errors.Is(err, store.ErrUncertain) && own != "" {
		l.insist("commit", op, args...)
	}
	if w := l.watched.Load(); w != nil && err == nil && handled {
		w.tail.accepted(writer, n)
	}
	return err
}

// Watch implements store.Log.
func (l *log) Watch(wake func()) (stop func()) {
	w, unwatch := l.s.watcher.watch(l.hex, wake)
	l.watched.Store(w)
	return func() {
		unwatch()
		l.watched.CompareAndSwap(w, nil)
	}
}
