package miragetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mirage-go/mirage/client"
)

// A Room is a topic that the page in a tab has joined. It ends when the page is left or
// reloaded. Its methods may be called concurrently.
type Room struct {
	inbox
	topic string
	o     client.JoinOptions
	room  *client.Room
}

// Join joins a topic, and returns when the tab is caught up. There may be one
// client.JoinOptions: with From: client.FromStart, what the topic retains comes first.
func (t *Tab) Join(topic string, o ...client.JoinOptions) *Room {
	t.v.s.tb.Helper()
	r := t.newRoom(topic, o)
	ctx, cancel := context.WithTimeout(context.Background(), t.v.s.patience())
	defer cancel()
	if err := r.join(ctx); err != nil {
		t.fail("%s cannot join %q: %v", t.name, topic, err)
	}
	return r
}

// ExpectJoinRefused joins a topic, and ends the test unless that is refused with that
// status. It returns the server's reason.
func (t *Tab) ExpectJoinRefused(topic string, status int, o ...client.JoinOptions) *client.Error {
	t.v.s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), t.v.s.patience())
	defer cancel()
	r := t.newRoom(topic, o)
	err := r.join(ctx)
	e, ok := errors.AsType[*client.Error](err)
	switch {
	case err == nil:
		t.fail("%s has joined %q, want status %d", t.name, topic, status)
	case !ok || e.Status != status:
		t.fail("%s cannot join %q: %v, want status %d", t.name, topic, err, status)
	}
	return e
}

func (t *Tab) newRoom(topic string, options []client.JoinOptions) *Room {
	t.v.s.tb.Helper()
	t.v.s.settle()
	r := &Room{topic: topic}
	r.init(t, t.v, fmt.Sprintf("%s, %s", t.name, topic))
	if len(options) > 1 {
		t.v.s.tb.Fatalf("miragetest: Join takes one client.JoinOptions, not %d", len(options))
	}
	if len(options) == 1 {
		r.o = options[0]
	}
	return r
}

// join joins the topic.
func (r *Room) join(ctx context.Context) error {
	o := r.o
	o.OnMembers = func(m client.Members) {
		r.v.story.add("%s: %d are present", r.name, m.Count)
		r.notify()
		if r.o.OnMembers != nil {
			r.o.OnMembers(m)
		}
	}
	room, err := r.tab.Client().Join(ctx, r.topic, o)
	if err != nil {
		return err
	}
	r.v.story.add("%s: joined", r.name)

	r.tab.mu.Lock()
	defer r.tab.mu.Unlock()
	r.room = room
	r.tab.rooms = append(r.tab.rooms, r)
	loop, stop := context.WithCancel(context.Background())
	before := r.tab.stop
	r.tab.stop = func() { before(); stop() }
	r.tab.loops.Go(func() { r.read(loop, room.Messages) })
	return nil
}

// Members returns who is present, as the server said last.
func (r *Room) Members() client.Members { return r.room.Members() }

// ExpectMembers waits until n members are present, and returns them.
func (r *Room) ExpectMembers(n int) client.Members {
	r.v.s.tb.Helper()
	var m client.Members
	// The client is asked without the lock that the loop needs.
	for deadline := time.Now().Add(r.v.s.patience()); ; {
		r.inbox.mu.Lock()
		changed := r.changed
		r.inbox.mu.Unlock()
		if m = r.Members(); m.Count == n {
			return m
		}
		late := time.NewTimer(time.Until(deadline))
		select {
		case <-changed:
			late.Stop()
		case <-late.C:
			r.fail("%s has %d members, want %d", r.name, m.Count, n)
		}
	}
}

var errLeft = errors.New("the tab has left it")

// Leave leaves the topic.
func (r *Room) Leave() {
	r.v.s.settle()
	r.room.Leave()
	r.take(client.Message{}, errLeft)
}
