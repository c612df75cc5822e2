package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mirage-go/mirage/store"
)

var ctx = context.Background()

// env is what a clause is tested with: a store, and helpers that fail the test if a call
// fails unexpectedly.
type env struct {
	*testing.T
	suite
	store store.Store
	tags  sync.Map // place → the tag that the store gave its position
	jumps bool     // there were messages with Key or TTL: readers pass some numbers over
}

type place struct{ epoch, seq uint64 }

// note remembers a position that the store returned.
func (e *env) note(p store.Position) store.Position {
	e.tags.Store(place{p.Epoch, p.Seq}, p.Tag)
	return p
}

// at returns the position after seq in the log of p.
func (e *env) at(p store.Position, seq uint64) store.Position {
	tag, _ := e.tags.LoadOrStore(place{p.Epoch, seq}, uint32(0))
	return store.Position{Epoch: p.Epoch, Seq: seq, Tag: tag.(uint32)}
}

// brief returns a retention that a test waits for. Other tests have one that lasts for
// the whole test.
func (e *env) brief() time.Duration {
	if e.bubble {
		return 2 * time.Minute
	}
	return 400 * time.Millisecond
}

// pass waits for d, and calls look often enough to be a sign of life. It is the only
// place that waits: in a bubble it takes no time.
func (e *env) pass(d time.Duration, look func()) {
	step := min(d, e.brief()) / 4
	for until := time.Now().Add(d); time.Now().Before(until); {
		if look != nil {
			look()
		}
		time.Sleep(min(step, time.Until(until)) + 1)
	}
	if look != nil { // on a busy machine the first call may have been the only one
		look()
	}
}

// soon waits until ok returns true. How long a store takes for it is not tested.
func (e *env) soon(what string, ok func() bool) {
	e.Helper()
	limit := 10 * e.brief()
	for until := time.Now().Add(limit); !ok(); {
		if time.Now().After(until) {
			e.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(e.brief() / 20)
	}
}

// bounds returns wide bounds. A test narrows those that it is about.
func bounds(narrow ...func(*store.Bounds)) store.Bounds {
	b := store.Bounds{
		MaxMessages: 1000,
		MaxBytes:    1 << 20,
		Retention:   time.Hour,
		MaxLinks:    32,
		MaxReaders:  128,
		MaxWriters:  32,
	}
	for _, f := range narrow {
		f(&b)
	}
	return b
}

func messages(n int) func(*store.Bounds) { return func(b *store.Bounds) { b.MaxMessages = n } }
func dropOldest(b *store.Bounds)         { b.Overflow = store.OverflowDropOldest }
func stallAfter(d time.Duration) func(*store.Bounds) {
	return func(b *store.Bounds) { b.Stall = d }
}
func keptFor(d time.Duration) func(*store.Bounds) {
	return func(b *store.Bounds) { b.Retention = d }
}

// openLog makes the session id.
func (e *env) openLog(id string, narrow ...func(*store.Bounds)) *log {
	e.Helper()
	l, created, err := e.store.Open(ctx, id, store.Asked{}, true, bounds(narrow...))
	if err != nil || !created {
		e.Fatalf("Open(%q, create) = created %v, %v; want a new session", id, created, err)
	}
	return &log{Log: l, e: e, id: id}
}

// again opens the session id, which exists.
func (e *env) again(id string) *log {
	e.Helper()
	l, _, err := e.store.Open(ctx, id, store.Asked{}, false, bounds())
	if err != nil {
		e.Fatalf("Open(%q): %v", id, err)
	}
	return &log{Log: l, e: e, id: id}
}

// missing fails the test if there is a session id.
func (e *env) missing(id string) {
	e.Helper()
	_, _, err := e.store.Open(ctx, id, store.Asked{}, false, bounds())
	e.is("Open without create", err, store.ErrNotFound)
}

func (e *env) end(id string) store.Ended {
	e.Helper()
	ended, err := e.store.End(ctx, id, 0)
	if err != nil {
		e.Fatalf("End(%q): %v", id, err)
	}
	return ended
}

// moves is Move without the readers that it returns.
func (e *env) moves(ctx context.Context, from, to string, how store.Moving) error {
	_, err := e.store.Move(ctx, from, to, how)
	return err
}

func (e *env) move(from, to, client string, keep time.Duration) {
	e.Helper()
	if err := e.moves(ctx, from, to, store.Moving{Client: client, Keep: keep, Settle: store.Settle}); err != nil {
		e.Fatalf("Move(%q, %q): %v", from, to, err)
	}
}

// endAll ends every session of a store.
func (e *env) endAll(s store.Store) {
	for log, err := range s.Logs(ctx) {
		if err == nil {
			_, err = s.End(ctx, log.ID(), 0)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			e.Errorf("ending what is left: %v", err)
		}
	}
}

// is fails the test unless err is want.
func (e *env) is(what string, err, want error) {
	e.Helper()
	if !errors.Is(err, want) || want == nil && err != nil {
		e.Fatalf("%s: error %v, want %v", what, err, want)
	}
}

// equal fails the test unless got is want.
func equal[T comparable](e *env, what string, got, want T) {
	e.Helper()
	if got != want {
		e.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// log is a session's Log whose calls must not fail.
type log struct {
	store.Log
	e  *env
	id string
}

func text(s string) *store.Message { m := store.Text(s); return &m }

// add appends messages for all and returns the position of the last.
func (l *log) add(texts ...string) (last store.Position) {
	l.e.Helper()
	for _, s := range texts {
		p, err := l.Append(ctx, text(s), "")
		if err != nil {
			l.e.Fatalf("Append(%q): %v", s, err)
		}
		last = l.e.note(p)
	}
	return last
}

// addTo appends a message for one reader.
func (l *log) addTo(reader, s string) store.Position {
	l.e.Helper()
	p, err := l.Append(ctx, text(s), reader)
	if err != nil {
		l.e.Fatalf("Append(%q) to %s: %v", s, reader, err)
	}
	return l.e.note(p)
}

// refuses fails the test if the log takes one more message.
func (l *log) refuses(s string) {
	l.e.Helper()
	_, err := l.Append(ctx, text(s), "")
	l.e.is("Append to a full log", err, store.ErrFull)
}

// attach begins a link of a client that comes without a position.
func (l *log) attach(reader string) *link {
	l.e.Helper()
	return l.claim(store.Claim{Reader: reader})
}

// plain begins a link of a plain client without a position.
func (l *log) plain(reader string) *link {
	l.e.Helper()
	return l.claim(store.Claim{Reader: reader, Plain: true})
}

// resume begins a link of a client that presents p.
func (l *log) resume(reader string, p store.Position) *link {
	l.e.Helper()
	return l.claim(store.Claim{Reader: reader, Given: store.GivenPresented, Position: p})
}

func (l *log) claim(c store.Claim) *link {
	l.e.Helper()
	a, err := l.Attach(ctx, c)
	if err != nil {
		l.e.Fatalf("Attach(%+v): %v", c, err)
	}
	if a.Link.Reader != c.Reader || a.Link.Number == 0 {
		l.e.Fatalf("Attach(%+v) made the link %+v", c, a.Link)
	}
	l.e.note(a.Position)
	return &link{Attached: a, log: l, cursor: a.Position.Seq, last: a.Position}
}

// link is one link and where its owner has come to.
type link struct {
	store.Attached
	log    *log
	cursor uint64
	last   store.Position // of what was read last
	tail   store.Tail     // of the last Read
}

// hello describes the place that a link got: "resumed at 3", "new at 0", "trimmed at 2,
// lost 3-5", "expired at 0, lost 8-?".
func (k *link) hello() string {
	s := string(k.Reason)
	if k.Resumed {
		s += "resumed"
	}
	s += fmt.Sprintf(" at %d", k.Position.Seq)
	if !k.Lost.IsZero() {
		s += ", lost " + lost(k.Lost)
	}
	return s
}

func lost(l store.Lost) string {
	if l.To == 0 {
		return fmt.Sprintf("%d-?", l.From)
	}
	return fmt.Sprintf("%d-%d", l.From, l.To)
}

// take reads once, and describes what came: "1:a 2:b", with a gap as "gap 1-3" or, if it
// was reported before, "gap 1-3 again", and "4:-" for an entry for another reader.
func (k *link) take(room int) string {
	k.log.e.Helper()
	entries, tail, err := k.Log().Read(ctx, k.Link, k.cursor, room, nil)
	if err != nil {
		k.log.e.Fatalf("Read(%+v, after %d): %v", k.Link, k.cursor, err)
	}
	k.tail = tail
	k.cursor = max(k.cursor, tail.Acked)

	var out []string
	if !tail.Gap.IsZero() {
		s := "gap " + lost(tail.Gap)
		if tail.Told {
			s += " again"
		}
		out = append(out, s)
		k.cursor = tail.Gap.To
		k.last = k.log.e.note(store.Position{Epoch: tail.Epoch, Seq: tail.Gap.To, Tag: tail.Tag})
	}

	for _, e := range entries {
		if e.Seq != k.cursor+1 && !(k.log.e.jumps && e.Seq > k.cursor) {
			k.log.e.Fatalf("Read gave seq %d after %d without a gap", e.Seq, k.cursor)
		}
		if tail.Epoch != k.Position.Epoch {
			k.log.e.Fatalf("Read gave epoch %x on a link of epoch %x", tail.Epoch, k.Position.Epoch)
		}
		k.cursor = e.Seq
		k.last = k.log.e.note(store.Position{Epoch: tail.Epoch, Seq: e.Seq, Tag: e.Tag})
		if e.Message == nil {
			out = append(out, fmt.Sprintf("%d:-", e.Seq))
			continue
		}
		out = append(out, fmt.Sprintf("%d:%s", e.Seq, e.Message.Data))
	}

	return strings.Join(out, " ")
}

func (k *link) Log() store.Log { return k.log.Log }

// read calls take until there is no more.
func (k *link) read() string {
	k.log.e.Helper()
	var out strings.Builder
	out.WriteString(k.take(1 << 20))
	for k.tail.More {
		before := k.cursor
		out.WriteString(" " + k.take(1<<20))
		if k.cursor == before {
			k.log.e.Fatalf("Read after %d says there is more, and gives nothing", before)
		}
	}
	return out.String()
}

// reads fails the test unless read returns want.
func (k *link) reads(want string) {
	k.log.e.Helper()
	equal(k.log.e, k.Link.Reader+" reads", k.read(), want)
}

// says fails the test unless hello returns want.
func (k *link) says(want string) *link {
	k.log.e.Helper()
	equal(k.log.e, k.Link.Reader+"'s hello", k.hello(), want)
	return k
}

// over fails the test unless Read fails with want.
func (k *link) over(want error) {
	k.log.e.Helper()
	_, _, err := k.Log().Read(ctx, k.Link, k.cursor, 1<<20, nil)
	k.log.e.is("Read on "+k.Link.Reader+"'s ended link", err, want)
}

// ack acknowledges up to what was read last.
func (k *link) ack() {
	k.log.e.Helper()
	k.acks(k.last)
}

// acks acknowledges p.
func (k *link) acks(p store.Position) {
	k.log.e.Helper()
	if err := k.Log().Ack(ctx, k.Link, p); err != nil {
		k.log.e.Fatalf("Ack(%+v, %v): %v", k.Link, p, err)
	}
}

// speaks acknowledges nothing, which shows that the client uses the link.
func (k *link) speaks() {
	k.log.e.Helper()
	k.acks(store.Position{})
}

func (k *link) detach() (left uint64) {
	k.log.e.Helper()
	left, err := k.Log().Detach(ctx, k.Link)
	if err != nil {
		k.log.e.Fatalf("Detach(%+v): %v", k.Link, err)
	}
	return left
}

// undelivered describes what a session left behind, like take.
func undelivered(ended store.Ended) string {
	var out []string
	for _, e := range ended.Messages {
		out = append(out, fmt.Sprintf("%d:%s", e.Seq, e.Message.Data))
	}
	return strings.Join(out, " ")
}

// goOn returns the claim of the next request that carries a link.
func goOn(k *link) store.Claim {
	return store.Claim{Reader: k.Link.Reader, Link: k.Link.Number}
}

// signalled waits a short time for c, and reports whether it received.
func (e *env) signalled(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-time.After(e.brief()):
		return false
	}
}
