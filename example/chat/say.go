package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/mirage-go/mirage"
)

// receive handles a message from a client: "say", "name", or plain text, as curl sends
// it.
func (r *room) receive(ctx context.Context, s *mirage.Session, in mirage.Incoming) error {
	var v struct{ Text, Key, Name string }
	if in.Event == "" {
		v.Text = string(in.Data)
	} else if err := json.Unmarshal(in.Data, &v); err != nil {
		return err
	}

	switch in.Event {
	case "name":
		r.rename(s, v.Name)
		return nil
	case "", "say":
		if v.Name != "" { // a restarted server may not know the name yet
			r.rename(s, v.Name)
		}
		return r.say(ctx, s, v.Text, v.Key, in.Again)
	}
	return fmt.Errorf("no such event: %q", in.Event)
}

// say adds a message to the history and broadcasts it.
func (r *room) say(ctx context.Context, s *mirage.Session, text, key string, again bool) error {
	text = clean(text, maxText)
	if text == "" || len(key) > 64 {
		return errors.New("a message has text, and a key of at most 64 bytes")
	}
	msg, fresh, err := r.note(s.ID(), text, key, again)
	if err != nil || !fresh {
		return err
	}
	_, err = s.Broadcast(ctx, msg) // without the lock: pages put messages in the order of their stamps
	return err
}

// note adds a message to the history. fresh is false if a client resends a message,
// because its session had ended, and the history already has it.
func (r *room) note(id, text, key string, again bool) (msg mirage.Message, fresh bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if again && slices.ContainsFunc(r.history, func(l line) bool { return l.id == id && l.key == key }) {
		return msg, false, nil
	}

	name := defaultName(id)
	if p := r.people[id]; p != nil {
		name = p.name
	}

	msg, err = mirage.JSON("say", map[string]any{"at": r.stamp(), "id": id, "name": name, "text": text, "key": key})
	if err != nil {
		return msg, false, err
	}

	r.history = append(r.history, line{id, key, msg})
	r.history = slices.Delete(r.history, 0, max(0, len(r.history)-maxHistory))
	return msg, true, nil
}

// recall sends the history to one reader. The event is "past" instead of "say", with the
// same bytes.
func (r *room) recall(ctx context.Context, s *mirage.Session, reader string) {
	r.mu.Lock()
	history := slices.Clone(r.history)
	r.mu.Unlock()
	for _, l := range history {
		if _, err := s.SendTo(ctx, reader, mirage.Message{Event: "past", Data: l.message.Data}); err != nil {
			return // the reader has gone
		}
	}
}
