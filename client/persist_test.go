package client_test

import (
	"context"
	"errors"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
)

// C1: a client continues where an earlier one was closed, or crashed: with its positions,
// its id and the messages that were not accepted.
func TestC1Persist(t *testing.T) {
	for _, crash := range []bool{false, true} {
		eachTransport(t, openTopics(), func(s *site, o client.Options) {
			o.Persist = client.FileStore(filepath.Join(t.TempDir(), "state"))
			o.AskSigned = true
			h := s.http()
			o.HTTPClient = h
			c := s.connect(o)
			id := c.ID()
			room := s.join(c, "news", client.JoinOptions{})
			s.send(c, "one", "two", "three")
			s.publish("news", "a", "b")
			equal(s, take(s, c.Messages, 2), "one", "two")
			equal(s, take(s, room.Messages, 1), "a")
			s.say(c, "accepted")
			time.Sleep(5 * time.Second)
			c.Disconnect()
			s.say(c, "waits")
			time.Sleep(time.Second)

			state, err := o.Persist.Load(s.Context())
			if err != nil {
				s.Fatal(err)
			}
			if crash { // what comes later is not stored
				o.Persist = keep(state)
			} else if err := c.Close(s.Context()); err == nil {
				state, _ = o.Persist.Load(s.Context())
				o.Persist = keep(state)
			}

			next := s.connect(o)
			if next.ID() != id || next.Signed() == "" {
				s.Errorf("the id was %q and is %q", id, next.ID())
			}
			room = s.join(next, "news", client.JoinOptions{From: client.FromStart})
			equal(s, take(s, next.Messages, 1), "three")
			equal(s, take(s, room.Messages, 1), "b")
			time.Sleep(5 * time.Second)
			s.has("accepted", "waits")
		})
	}
}

// fixed is a Persist in memory.
type fixed struct{ state atomic.Value }

func keep(text []byte) *fixed {
	f := new(fixed)
	f.state.Store(text)
	return f
}

func (f *fixed) Load(context.Context) ([]byte, error) { return f.state.Load().([]byte), nil }

func (f *fixed) Save(_ context.Context, text []byte) error {
	f.state.Store(text)
	return nil
}

// C1: after a crash a message that may have been delivered before is marked.
func TestC1Again(t *testing.T) {
	onSite(t, mirage.Options{}, func(s *site) {
		jar, _ := cookiejar.New(nil)
		store := keep(nil)
		o := client.Options{Persist: store, Jar: jar, AckWithin: time.Hour}
		c := s.connect(o)
		s.send(c, "one")
		time.Sleep(time.Second)
		o.Persist = keep(store.state.Load().([]byte)) // as it was before the message was delivered
		equal(s, take(s, c.Messages, 1), "one")

		next := s.connect(o)
		s.send(next, "two")
		equal(s, take(s, next.Messages, 2), "one?", "two")
	})
}

// C1: two clients with one state, as by a mistake, disturb nobody: both get what comes
// after the stored position, and what the state had queued is handled once.
func TestC1SharedState(t *testing.T) {
	eachTransport(t, openTopics(), func(s *site, o client.Options) {
		store := keep(nil)
		o.Persist, o.AskSigned = store, true
		c := s.connect(o)
		s.send(c, "one", "two")
		equal(s, take(s, c.Messages, 1), "one")
		c.Disconnect()
		s.say(c, "queued")
		s.say(c, "queued too")
		time.Sleep(time.Second)
		state, _ := store.Load(s.Context())
		o.Persist = keep(state) // the first client is dead

		a, b := s.connect(o), s.connect(o)
		rooms := []*client.Room{s.join(a, "news", client.JoinOptions{}), s.join(b, "news", client.JoinOptions{})}
		time.Sleep(5 * time.Second)
		s.has("queued", "queued too")
		s.send(a, "three")
		s.publish("news", "four")
		for i, c := range []*client.Client{a, b} {
			if c.ID() != a.ID() {
				s.Errorf("the ids are %q and %q", a.ID(), c.ID())
			}
			got := take(s, c.Messages, 2)
			got[0] = strings.TrimSuffix(got[0], "?") // the first client may have delivered it
			equal(s, got, "two", "three")
			equal(s, take(s, rooms[i].Messages, 1), "four")
			s.nothing(c)
		}
		s.say(a, "from a")
		time.Sleep(time.Second)
		s.say(b, "from b")
		time.Sleep(time.Second)
		s.has("queued", "queued too", "from a", "from b")
		if a.State().Phase != client.PhaseOpen || b.State().Phase != client.PhaseOpen {
			s.Errorf("the states are %+v and %+v", a.State(), b.State())
		}
	})
}

// C1: a state that cannot be read is an error, and one that cannot be written is not.
func TestC1PersistFails(t *testing.T) {
	onSite(t, mirage.Options{}, func(s *site) {
		dir := s.TempDir()
		file := client.FileStore(filepath.Join(dir, "state"))
		if err := file.Save(s.Context(), []byte(`{"id":`)); err != nil {
			s.Fatal(err)
		}
		if info, err := os.Stat(string(file)); err != nil || info.Mode().Perm() != 0o600 {
			s.Errorf("the file is %v, error %v", info, err)
		}
		_, err := client.Dial(s.Context(), s.url, client.Options{Persist: file})
		if err == nil || !strings.Contains(err.Error(), "damaged") {
			s.Errorf("the file is damaged: %v", err)
		}

		c := s.connect(client.Options{Persist: client.FileStore(filepath.Join(dir, "missing", "state"))})
		s.say(c, "goes on")
		time.Sleep(time.Second)
		s.has("goes on")
		if all, err := os.ReadDir(dir); err != nil || len(all) != 1 {
			s.Errorf("the directory has %v, error %v", all, err)
		}
	})
}

// C1: Close returns the messages that were not accepted.
func TestC1CloseReturns(t *testing.T) {
	onSite(t, mirage.Options{}, func(s *site) {
		c := s.connect(client.Options{})
		c.Disconnect()
		s.say(c, "one")
		emitted := make(chan error, 1)
		go func() { emitted <- c.Emit(s.Context(), "said", 1) }()
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
		defer cancel()
		var returned *client.ReturnedError
		if err := c.Close(ctx); !errors.As(err, &returned) || len(returned.Messages) != 1 ||
			string(returned.Messages[0].Data) != "one" {
			s.Errorf("Close: %v", err)
		}
		if err := <-emitted; !errors.Is(err, client.ErrClosed) {
			s.Errorf("Emit: %v", err)
		}
		if err := c.Close(ctx); err != nil {
			s.Errorf("the second Close: %v", err)
		}
		if err := c.Send(ctx, client.Message{}); !errors.Is(err, client.ErrClosed) {
			s.Errorf("Send after Close: %v", err)
		}
		for m, err := range c.Messages(ctx) {
			s.Errorf("after Close: %+v, %v", m, err)
		}
	})
}

// C1: a message that the server does not take comes back, and the others are delivered.
func TestC1Returned(t *testing.T) {
	eachTransport(t, mirage.Options{}, func(s *site, o client.Options) {
		c := s.connect(o)
		c.Disconnect()
		for _, text := range []string{"one", strings.Repeat("x", 100<<10), "two"} {
			s.say(c, text)
		}
		if err := c.Send(s.Context(), client.Message{Event: "mirage-up"}); err == nil {
			s.Error("a message has the name of a control event")
		}
		if err := c.Connect(s.Context()); err != nil {
			s.Fatal(err)
		}
		var e *client.Error
		if err := c.Emit(s.Context(), "said", strings.Repeat("x", 100<<10)); !errors.As(err, &e) || e.Status != 413 {
			s.Errorf("Emit: %v", err)
		}
		for _, err := range c.Messages(s.Context()) {
			var returned *client.ReturnedError
			if !errors.As(err, &returned) || len(returned.Messages) != 1 || !errors.As(err, &e) || e.Status != 413 {
				s.Errorf("got %v", err)
			}
			break
		}
		s.has("one", "two")
	})
}
