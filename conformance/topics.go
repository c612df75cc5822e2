package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/mirage-go/mirage"
)

// withTopics returns the options of a server with topics.
func withTopics() mirage.Options {
	o := brisk
	o.OnJoin = func(context.Context, *mirage.Session, *mirage.Join) error { return nil }
	o.Topics = func(name string) mirage.TopicOptions {
		switch name {
		case "short":
			return mirage.TopicOptions{MaxMessages: 3}
		case "room":
			return mirage.TopicOptions{Presence: true}
		}
		return mirage.TopicOptions{MaxMessages: 1000}
	}
	return o
}

func (w *world) publish(t *mirage.Topic, texts ...string) {
	for _, text := range texts {
		if _, err := t.Publish(w.ctx, mirage.Text(text)); err != nil {
			fail("the server: %v", err)
		}
	}
}

func (w *world) awaitEvent(kind string) {
	w.until(func(events []event) bool { return last(events, kind).Event != "" },
		func() string { return fmt.Sprintf("the client has not told %q", kind) })
}

// inTopic waits until exactly these texts have come in a topic.
func (w *world) inTopic(want ...string) {
	var got []string
	w.until(func(events []event) bool {
		got = nil
		for _, e := range events {
			if e.Event == "message" && e.Topic != "" {
				got = append(got, e.Data)
			}
		}
		if n := min(len(got), len(want)); !slices.Equal(got[:n], want[:n]) || len(got) > len(want) {
			fail("in the topic came %.300q, want %.300q", got, want)
		}
		return len(got) == len(want)
	}, func() string { return fmt.Sprintf("in the topic came %d messages of %d", len(got), len(want)) })
}
