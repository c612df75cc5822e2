package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/mirage-go/mirage"
)

const (
	maxText = 1000 // characters of a message
	maxName = 24   // characters of a name
)

// said is a message in a room.
type said struct {
	Who  string `json:"who"`
	Name string `json:"name"`
	Text string `json:"text"`
	Key  string `json:"key"` // chosen by the page that sent it
	At   int64  `json:"at"`  // in milliseconds
}

// say publishes what somebody said. again is set if the page sends it once more because
// the server may have forgotten it: it is said once.
func say(ctx context.Context, room *mirage.Topic, by info, text, key string, again bool) error {
	text = clean(text, maxText)
	if text == "" || len(key) > 64 {
		return errors.New("a message has text, and a key of at most 64 bytes")
	}
	if again {
		if was, err := wasSaid(ctx, room, by.Who, key); was || err != nil {
			return err
		}
	}

	msg, err := mirage.JSON("said", said{by.Who, by.Name, text, key, time.Now().UnixMilli()})
	if err == nil {
		_, err = room.Publish(ctx, msg)
	}
	return err
}

// wasSaid reports whether the room remembers the message.
func wasSaid(ctx context.Context, room *mirage.Topic, who, key string) (bool, error) {
	history, err := room.History(ctx)
	for _, p := range history.Messages {
		var old said
		if p.Message.Event != "said" || json.Unmarshal(p.Message.Data, &old) != nil {
			continue
		}
		if old.Who == who && old.Key == key {
			return true, nil
		}
	}
	return false, err
}

// typingFor is how long somebody counts as typing. Pages tell it again before that.
const typingFor = 4 * time.Second

// typing tells the room that somebody types. The Key makes a newer message take the place
// of the older one, and the TTL makes it leave by itself: a page that was away for a
// while is not told who was typing then.
func typing(ctx context.Context, room *mirage.Topic, by info) error {
	msg, err := mirage.JSON("typing", by)
	if err == nil {
		msg.Key, msg.TTL = by.Who, typingFor
		_, err = room.Publish(ctx, msg)
	}
	return err
}
