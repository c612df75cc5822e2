package miragetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/mirage-go/mirage/client"
)

// A Message is one that came, and that the test expected.
type Message struct {
	client.Message
	b *inbox
}

// Decode decodes the data from JSON.
func (m *Message) Decode(into any) {
	m.b.v.s.tb.Helper()
	if err := json.Unmarshal(m.Data, into); err != nil {
		m.b.fail("%q: %v: %s", m.Event, err, shorten(string(m.Data)))
	}
}

// An inbox has what came to a tab or a room, and the methods of both that expect it.
type inbox struct {
	v    *Visitor
	tab  *Tab
	name string // of the tab and of the room, for the story

	mu      sync.Mutex
	pending []*item       // came, and was not expected yet
	ended   error         // why nothing more comes, or nil
	changed chan struct{} // closed and replaced after each change
}

// An item is a message or a loss.
type item struct {
	message client.Message
	err     error
	event   *event
}

func (b *inbox) init(t *Tab, v *Visitor, name string) {
	b.tab, b.v, b.name = t, v, name
	b.changed = make(chan struct{})
}

// Expect waits for the next message named event, which is "message" for one without a
// name, and returns it. It passes over messages with other names, which the test may
// expect later. The test ends if messages before it are lost, and if no such message
// comes.
//
// With data, of which there is at most one, the test also ends if the message has other
// data: a string or []byte is compared as it is, and any other value with JSON.
func (b *inbox) Expect(event string, data ...any) *Message {
	b.v.s.tb.Helper()
	it := b.next(fmt.Sprintf("%q%s", event, wanted(data)), func(it *item) bool {
		return it.err == nil && isEvent(it.message, event)
	})
	if len(data) > 0 {
		if problem := compare(it.message.Data, data[0]); problem != "" {
			b.fail("the next %q %s", event, problem)
		}
	}
	return &Message{it.message, b}
}

// ExpectWhole waits until the next growing message named event is complete, and returns
// its last piece. Whole has all of it. Data is compared with that, as by Expect.
func (b *inbox) ExpectWhole(event string, data ...any) *Message {
	b.v.s.tb.Helper()
	for {
		it := b.next(fmt.Sprintf("the end of a growing %q%s", event, wanted(data)), func(it *item) bool {
			return it.err == nil && isEvent(it.message, event) && it.message.Grows
		})
		if !it.message.Done {
			continue
		}
		if len(data) > 0 {
			if problem := compare(it.message.Whole, data[0]); problem != "" {
				b.fail("the growing %q %s", event, problem)
			}
		}
		return &Message{it.message, b}
	}
}

// ExpectGap waits until messages are lost, and returns which.
func (b *inbox) ExpectGap() *client.LostError {
	b.v.s.tb.Helper()
	it := b.next("a gap", func(it *item) bool { return isError[*client.LostError](it.err) })
	lost, _ := errors.AsType[*client.LostError](it.err)
	return lost
}

// ExpectEnd waits until the server has ended the session of the tab, or the membership of
// the room, with that status: 410 after a log-out, for example. It returns the server's
// reason.
func (b *inbox) ExpectEnd(status int) *client.Error {
	b.v.s.tb.Helper()
	var end error
	if !b.wait(b.v.s.patience(), func() bool { end = b.ended; return end != nil }) {
		b.fail("the server has not ended %s, want status %d", b.name, status)
	}
	e, ok := errors.AsType[*client.Error](end)
	if !ok || e.Status != status {
		b.fail("%s has ended with %v, want status %d", b.name, end, status)
	}
	return e
}

// ExpectNothing ends the test if there is a message or a loss that the test did not
// expect, or if one comes soon. If the tab has lost its link, it first waits for the next
// one, at most 30s. In a bubble, soon is 10s. On a port it is 250ms, and what is slower
// is missed.
func (b *inbox) ExpectNothing() {
	b.v.s.tb.Helper()
	soon := 250 * time.Millisecond
	if b.v.s.memory {
		soon = 10 * time.Second
	}
	b.v.s.settle()
	b.tab.wait(min(30*time.Second, b.v.s.patience()), func() bool {
		phase := b.tab.Client().State().Phase
		return phase == client.PhaseOpen || phase == client.PhaseClosed
	})
	if b.wait(soon, func() bool { return len(b.pending) > 0 }) {
		b.fail("%s has what the test did not expect", b.name)
	}
}

// next waits for an item and takes it.
func (b *inbox) next(what string, isMeant func(*item) bool) (found *item) {
	b.v.s.tb.Helper()
	var before *item
	var end error
	isDone := b.wait(b.v.s.patience(), func() bool {
		for i, it := range b.pending {
			if isMeant(it) {
				b.pending = slices.Delete(b.pending, i, i+1)
				found = it
				return true
			}
			if it.err != nil {
				before = it
				return true
			}
		}
		end = b.ended
		return end != nil
	})
	switch {
	case found != nil:
		b.v.story.taken(found.event)
	case before != nil:
		b.fail("want %s, but before that: %v", what, before.err)
	case end != nil:
		b.fail("want %s, but %s has ended: %v", what, b.name, end)
	case !isDone:
		b.fail("want %s, but it has not come within %v", what, b.v.s.patience())
	}
	return found
}

// wait waits until a condition holds, which it calls with the lock. It reports false
// after the time.
func (b *inbox) wait(within time.Duration, isDone func() bool) bool {
	late := time.NewTimer(within)
	defer late.Stop()
	for {
		b.mu.Lock()
		done, changed := isDone(), b.changed
		b.mu.Unlock()
		if done {
			return true
		}
		select {
		case <-changed:
		case <-late.C:
			return false
		}
	}
}

// notify lets those who wait look again.
func (b *inbox) notify() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notifyLocked()
}

func (b *inbox) notifyLocked() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// read takes what comes until ctx ends or nothing more can come.
func (b *inbox) read(ctx context.Context, messages func(context.Context) iter.Seq2[client.Message, error]) {
	for m, err := range messages(ctx) {
		if err != nil && ctx.Err() != nil {
			return
		}
		b.take(m, err)
	}
}

func (b *inbox) take(m client.Message, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.notifyLocked()
	switch {
	case err == nil:
		b.pending = append(b.pending, &item{message: m, event: b.v.story.put(b.name+": "+describe(m), true)})
	case isError[*client.LostError](err), isError[*client.ReturnedError](err):
		b.pending = append(b.pending, &item{err: err, event: b.v.story.put(b.name+": "+err.Error(), true)})
	default:
		b.ended = err
		b.v.story.add("%s: ended: %v", b.name, err)
	}
}

// fail ends the test.
func (b *inbox) fail(format string, args ...any) {
	b.v.s.tb.Helper()
	b.v.fail(format, args...)
}
