package topiclog_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mirage-go/mirage/internal/topiclog"
	"github.com/mirage-go/mirage/internal/topicmodel"
	"github.com/mirage-go/mirage/store"
)

const pieceCost = 16

// machine drives a log and its model with the same random commands.
type machine struct {
	rt      *rapid.T
	log     *topiclog.Log
	model   *topicmodel.Log
	thinned bool // the log may have forgotten where pieces ended
	now     int64
	readers []*topicmodel.Reader
	texts   int
}

func newMachine(b store.TopicBounds) *machine {
	return &machine{
		log:   topiclog.New(7, 9, b),
		model: &topicmodel.Log{Bounds: b, PieceCost: pieceCost},
	}
}

// T3, T4, T5, M1, M2, M3: whatever is published and however it is read, every client puts
// together what the model has.
func TestModel(t *testing.T) {
	for range 3 {
		rapid.Check(t, func(rt *rapid.T) {
			m := newMachine(store.TopicBounds{
				MaxMessages: rapid.IntRange(1, 8).Draw(rt, "max messages"),
				MaxBytes:    rapid.SampledFrom([]int64{1, 500, 2000, 1 << 30}).Draw(rt, "max bytes"),
				MaxGrown:    rapid.SampledFrom([]int{10, 1000, 1 << 20}).Draw(rt, "max grown"),
				Age:         time.Minute,
			})
			m.repeat(rt, map[string]func(){
				"publish": m.publish, "publish keyed": m.publishKeyed, "publish often": m.publishOften,
				"grow": m.grow, "grow more": m.grow, "grow much": m.growMuch, "wait": m.wait, "shortage": m.shortage,
			})
		})
	}
}

// M2: a growing message of many pieces, whose ends the log forgets, is the same text.
func TestModelManyPieces(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newMachine(store.TopicBounds{MaxMessages: 20, MaxBytes: 1 << 30, MaxGrown: 1 << 20, Age: time.Hour})
		m.thinned = true
		m.repeat(rt, map[string]func(){
			"publish": m.publish, "publish keyed": m.publishKeyed, "grow": m.grow, "grow much": m.growMuch,
			"grow often": m.growOften, "grow very often": m.growOften,
		})
	})
}

func (m *machine) repeat(rt *rapid.T, acts map[string]func()) {
	acts["join"], acts["join at a position"], acts["join at a position again"] = m.join, m.joinAfter, m.joinAfter
	acts["read"], acts["read more"], acts["read even more"] = m.read, m.read, m.read
	acts["read all"], acts["cut"] = m.readAll, m.cut

	all := map[string]func(*rapid.T){"": func(rt *rapid.T) { m.rt = rt; m.check() }}
	for name, f := range acts {
		all[name] = func(rt *rapid.T) { m.rt = rt; f() }
	}
	rt.Repeat(all)
	m.rt = rt
	m.expire()
	m.join()
	for _, r := range m.readers {
		m.finish(r)
	}
}

// check compares what the two logs retain.
func (m *machine) check() {
	m.expire()
	if got, want := m.log.Position().Seq, m.model.Top; got != want {
		m.rt.Fatalf("the top is %d, not %d", got, want)
	}
	if got, want := m.log.Bytes(), m.model.Bytes(); got != want && !m.thinned {
		m.rt.Fatalf("the log has %d bytes, not %d", got, want)
	}
	live := m.model.Live()
	if len(live) > 1 && (len(live) > m.model.Bounds.MaxMessages || m.model.Bytes() > m.model.Bounds.MaxBytes) {
		m.rt.Fatalf("%d messages of %d bytes are beyond the bounds", len(live), m.model.Bytes())
	}
	if !m.thinned { // with thousands of pieces that would take too long
		m.finish(m.newReader(store.TopicPosition{}, store.BeginAfter)) // everything that is retained
	}
}

func (m *machine) expire() {
	m.log.Expire(m.now)
	m.model.Expire(m.now)
}

func (m *machine) apply(p store.Publication) {
	ttls := []time.Duration{0, 0, 0, time.Second, 20 * time.Second, 1<<63 - 1}
	p.Message.TTL = rapid.SampledFrom(ttls).Draw(m.rt, "ttl")
	m.append(p)
}

func (m *machine) append(p store.Publication) {
	m.appendWithin(p, math.MaxInt64)
}

// appendWithin appends p if there is memory for so many bytes.
func (m *machine) appendWithin(p store.Publication, memory int64) {
	got := m.log.Append(p, m.now, func(n int64) bool { return n <= memory-m.log.Bytes() })
	want := m.model.Publish(p, m.now, memory)
	if !errors.Is(got, want) || want == nil && got != nil {
		m.rt.Fatalf("Append(%+v): %v, want %v", p, got, want)
	}
}

// text returns another text each time, with characters of one to four bytes.
func (m *machine) text(max int) []byte {
	m.texts++
	s := fmt.Sprint(m.texts) + strings.Repeat("aé€😀", 20)
	n := rapid.IntRange(0, max).Draw(m.rt, "length")
	var b []byte
	for _, r := range s {
		if len(b) >= n {
			break
		}
		b = append(b, string(r)...)
	}
	return b
}

func (m *machine) publish() {
	m.apply(store.Publication{Message: &store.Message{Data: m.text(30)}})
}

func (m *machine) message(data []byte) *store.Message {
	return &store.Message{
		Event: rapid.SampledFrom([]string{"", "e"}).Draw(m.rt, "event"),
		Key:   rapid.SampledFrom([]string{"a", "b"}).Draw(m.rt, "key"),
		Data:  data,
	}
}

func (m *machine) publishKeyed() { m.apply(store.Publication{Message: m.message(m.text(30))}) }

// publishOften supersedes so often that the log clears dead messages away.
func (m *machine) publishOften() {
	message := m.message(m.text(30))
	for range 40 {
		m.append(store.Publication{Message: message})
	}
}

func (m *machine) growBy(data []byte) {
	m.apply(store.Publication{
		Message: m.message(data), Grows: true,
		Continues: rapid.Bool().Draw(m.rt, "continues"),
		Done:      rapid.IntRange(0, 5).Draw(m.rt, "done") == 0,
	})
}

func (m *machine) grow() { m.growBy(m.text(12)) }

// growMuch appends pieces for which a reader needs several blocks.
func (m *machine) growMuch() {
	n := rapid.SampledFrom([]int{20 << 10, 60 << 10, 64<<10 - 1, 64 << 10, 70 << 10}).Draw(m.rt, "length")
	m.texts++
	m.growBy([]byte(strings.ToValidUTF8(strings.Repeat(fmt.Sprint(m.texts, "é€😀"), n/4)[:n], "")))
}

// growOften appends so many pieces that the log forgets where some of them ended.
func (m *machine) growOften() {
	message := m.message(nil)
	for i := range rapid.SampledFrom([]int{10, 600, 600}).Draw(m.rt, "pieces") {
		p := *message
		p.Data = fmt.Appendf(nil, "%d€", i%50)
		m.append(store.Publication{Message: &p, Grows: true})
	}
}

func (m *machine) wait() {
	waits := []time.Duration{time.Nanosecond, time.Second, 10 * time.Second, time.Minute}
	m.now += int64(rapid.SampledFrom(waits).Draw(m.rt, "wait"))
}

// shortage publishes when memory is short.
func (m *machine) shortage() {
	p := store.Publication{Message: m.message(m.text(100)), Grows: rapid.Bool().Draw(m.rt, "grows")}
	if !p.Grows && rapid.Bool().Draw(m.rt, "unkeyed") {
		p.Message.Key = ""
	}
	m.expire()
	m.appendWithin(p, m.model.Bytes()+rapid.Int64Range(-300, 300).Draw(m.rt, "memory"))
}

func (m *machine) newReader(at store.TopicPosition, begin store.Begin) *topicmodel.Reader {
	r := topicmodel.NewReader(m.model, at, begin, nil)
	r.Client.Thinned = m.thinned
	return r
}

func (m *machine) join() {
	begin := rapid.SampledFrom([]store.Begin{store.BeginNow, store.BeginNow, store.BeginStart}).Draw(m.rt, "begin")
	m.readers = append(m.readers, m.newReader(m.log.Position(), begin))
}

func (m *machine) position(seq uint64) store.TopicPosition {
	return store.TopicPosition{Topic: 7, Epoch: 9, Seq: seq}
}

func (m *machine) joinAfter() {
	at := rapid.Uint64Range(0, m.model.Top).Draw(m.rt, "at")
	m.readers = append(m.readers, m.newReader(m.position(at), store.BeginAfter))
}

func (m *machine) reader() int {
	if len(m.readers) == 0 {
		m.rt.SkipNow()
	}
	return rapid.IntRange(0, len(m.readers)-1).Draw(m.rt, "reader")
}

// take reads once, and returns what the client is to get.
func (m *machine) take(r *topicmodel.Reader, max int) ([]store.TopicEntry, bool) {
	m.expire()
	r.Begin()
	entries, more := m.log.Read(&r.Cursor, max, nil)
	r.Batch(m.rt, entries, more, max)
	c := r.Copy()
	if rest, _ := m.log.Read(&c, max, nil); len(rest) > 0 != more {
		m.rt.Fatalf("Read says that there is more: %v; then come %d entries", more, len(rest))
	}
	return entries, more
}

func (m *machine) room() int {
	return rapid.SampledFrom([]int{1, 150, 300, 1000, 64 << 10, 1 << 30}).Draw(m.rt, "room")
}

func (m *machine) read() {
	r := m.readers[m.reader()]
	entries, more := m.take(r, m.room())
	m.give(r, entries, more)
}

func (m *machine) give(r *topicmodel.Reader, entries []store.TopicEntry, more bool) {
	for i := range entries {
		r.Get(m.rt, &entries[i])
	}
	r.Given(m.rt)
	if !more {
		r.End(m.rt)
	}
}

func (m *machine) readAll() { m.finish(m.readers[m.reader()]) }

// finish reads everything.
func (m *machine) finish(r *topicmodel.Reader) {
	room := m.room()
	for more := true; more; {
		var entries []store.TopicEntry
		entries, more = m.take(r, room)
		m.give(r, entries, more)
	}
}

// cut ends a link within a batch. The client goes on at the position that it has reached.
func (m *machine) cut() {
	i := m.reader()
	r := m.readers[i]
	entries, more := m.take(r, m.room())
	got := rapid.IntRange(0, len(entries)).Draw(m.rt, "got")
	if got < len(entries) {
		for i := range entries[:got] {
			r.Get(m.rt, &entries[i])
		}
	} else if m.give(r, entries, more); !more {
		if rapid.Bool().Draw(m.rt, "joined") {
			r.Client.Reach(m.rt, m.model.Top)
		}
	}

	if !r.Client.Reached { // it joins anew
		m.readers = slices.Delete(m.readers, i, i+1)
		return
	}
	n := topicmodel.NewReader(m.model, m.position(r.Client.At), store.BeginAfter, r.Client)
	m.readers[i] = n
}
