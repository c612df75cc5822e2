package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mirage-go/mirage/store"
)

// topicClauses are for a store.TopicStore.
func topicClauses() []clause {
	return slices.Concat(
		topicEpochs, topicBounding, topicReads, topicEnds, topicKeys, growing, topicWatching, present,
		joining, confirming, leaving, topicAcks, memberLives, memberMoves, topicCrowds)
}

// topic is a Topic whose calls must not fail.
type topic struct {
	store.Topic
	e *env
}

// topic returns the topic of that name. The test fails if the store has no topics.
func (e *env) topic(name string, narrow ...func(*store.TopicBounds)) *topic {
	e.Helper()
	return topicOf(e, e.store, name, narrow...)
}

func topicOf(e *env, s store.Store, name string, narrow ...func(*store.TopicBounds)) *topic {
	e.Helper()
	all, ok := s.(store.TopicStore)
	if !ok {
		e.Fatal("the store is no store.TopicStore: see Without")
	}
	t := &topic{all.Topic(name, topicBounds(narrow...)), e}
	e.Cleanup(func() { _ = t.End(ctx) }) // it may not have begun
	return t
}

// topicBounds returns wide bounds. A test narrows those that it is about.
func topicBounds(narrow ...func(*store.TopicBounds)) store.TopicBounds {
	b := store.TopicBounds{MaxMessages: 1000, MaxBytes: 1 << 20, MaxGrown: 1 << 20, Age: time.Hour}
	for _, f := range narrow {
		f(&b)
	}
	return b
}

func retaining(n int) func(*store.TopicBounds) {
	return func(b *store.TopicBounds) { b.MaxMessages = n }
}

func aging(d time.Duration) func(*store.TopicBounds) {
	return func(b *store.TopicBounds) { b.Age = d }
}

// say returns a publication without a key.
func say(text string) store.Publication {
	return store.Publication{Message: &store.Message{Data: []byte(text)}}
}

func sayKey(key, text string) store.Publication {
	return store.Publication{Message: &store.Message{Key: key, Data: []byte(text)}}
}

// piece returns a piece of a growing message. last returns its last one.
func piece(key, text string) store.Publication {
	p := sayKey(key, text)
	p.Grows = true
	return p
}

func last(key, text string) store.Publication {
	p := piece(key, text)
	p.Done = true
	return p
}

// within returns p with a TTL.
func within(ttl time.Duration, p store.Publication) store.Publication {
	p.Message.TTL = ttl
	return p
}

// put publishes, and returns the position of the last.
func (t *topic) put(all ...store.Publication) (at store.TopicPosition) {
	t.e.Helper()
	for _, p := range all {
		var err error
		if at, err = t.Publish(ctx, p); err != nil {
			t.e.Fatalf("Publish(%+v) in %s: %v", p, t.Name(), err)
		}
	}
	return at
}

// publish publishes messages without keys, and returns the position of the last.
func (t *topic) publish(texts ...string) (at store.TopicPosition) {
	t.e.Helper()
	for _, s := range texts {
		at = t.put(say(s))
	}
	return at
}

// refuses fails the test unless p is refused with want.
func (t *topic) refuses(p store.Publication, want error) {
	t.e.Helper()
	_, err := t.Publish(ctx, p)
	t.e.is("Publish", err, want)
}

func (t *topic) position() store.TopicPosition {
	t.e.Helper()
	p, err := t.Position(ctx)
	t.e.is("Position", err, nil)
	return p
}

// at returns the position after seq in the epoch.
func (t *topic) at(seq uint64) store.TopicPosition {
	t.e.Helper()
	p := t.position()
	p.Seq = seq
	return p
}

func (t *topic) end() {
	t.e.Helper()
	t.e.is("End", t.End(ctx), nil)
}

// topicReader reads a topic with one cursor.
type topicReader struct {
	t *topic
	store.TopicCursor
	tail store.TopicTail // of the last Read
}

func (t *topic) after(p store.TopicPosition) *topicReader {
	return &topicReader{t: t, TopicCursor: store.TopicCursor{At: p}}
}

func (t *topic) now() *topicReader {
	t.e.Helper()
	return &topicReader{t: t, TopicCursor: store.TopicCursor{At: t.position(), Begin: store.BeginNow}}
}

func (t *topic) start() *topicReader {
	t.e.Helper()
	return &topicReader{t: t, TopicCursor: store.TopicCursor{At: t.position(), Begin: store.BeginStart}}
}

// take reads once with room for that many bytes, and describes what came: "1:a",
// "gap 1-3", "restarted 4-?", and of a growing message "2:k+5:text" with its key and
// offset. A "-" instead of the number says that it is read whole, and a "!" that it is
// complete.
func (r *topicReader) take(room int) string {
	r.t.e.Helper()
	entries, tail, err := r.t.Read(ctx, &r.TopicCursor, room, nil)
	if err != nil {
		r.t.e.Fatalf("Read of %s: %v", r.t.Name(), err)
	}
	r.tail = tail
	var out []string
	for i := range entries {
		if e := &entries[i]; e.Epoch != r.At.Epoch {
			r.t.e.Fatalf("an entry of epoch %d, and the cursor is in epoch %d", e.Epoch, r.At.Epoch)
		}
		out = append(out, describe(&entries[i]))
	}
	return strings.Join(out, " ")
}

func describe(e *store.TopicEntry) string {
	seq := "-"
	if e.Seq != 0 {
		seq = fmt.Sprint(e.Seq)
	}
	switch m := e.Message; {
	case m == nil && e.Reason == store.MissingTrimmed:
		return "gap " + lost(e.Lost)
	case m == nil:
		return fmt.Sprintf("%s %s", e.Reason, lost(e.Lost))
	case !e.Grows:
		return fmt.Sprintf("%s:%s", seq, m.Data)
	default:
		text := string(m.Data)
		if len(text) > 20 {
			text = fmt.Sprintf("[%d]", len(text))
		}
		if e.Done {
			text += "!"
		}
		return fmt.Sprintf("%s:%s+%d:%s", seq, m.Key, e.Offset, text)
	}
}

// read calls take until there is no more.
func (r *topicReader) read() string {
	r.t.e.Helper()
	out := []string{r.take(1 << 30)}
	for r.tail.More {
		some := r.take(1 << 30)
		if some == "" {
			r.t.e.Fatalf("Read of %s says there is more, and gives nothing", r.t.Name())
		}
		out = append(out, some)
	}
	return strings.TrimSpace(strings.Join(out, " "))
}

// reads fails the test unless read returns want.
func (r *topicReader) reads(want string) {
	r.t.e.Helper()
	equal(r.t.e, "reading "+r.t.Name(), r.read(), want)
}

// takes fails the test unless take returns want.
func (r *topicReader) takes(room int, want string, more bool) {
	r.t.e.Helper()
	equal(r.t.e, "reading some of "+r.t.Name(), r.take(room), want)
	equal(r.t.e, "there is more", r.tail.More, more)
}

// expire lets the store do what is due.
func (e *env) expire() {
	e.Helper()
	_, err := e.store.Expired(ctx, 100)
	e.is("Expired", err, nil)
}
