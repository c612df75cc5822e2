package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/miragetest"
)

// topicCases need a client that joins topics.
var topicCases = []testCase{
	{name: "topic", clause: "T3", needs: featureTopics, o: withTopics(), run: func(w *world) {
		w.connect()
		topic := w.live.Load().Topic("news")
		w.publish(topic, numbers("", 1, 20)...)
		w.client.do(command{Do: "join", Topic: "news", From: "start"})
		w.awaitEvent("joined")
		for i := 21; i <= 120; i++ {
			w.publish(topic, fmt.Sprint(i))
			if i%20 == 0 {
				w.net.CutAfter(miragetest.Down, w.random.IntN(1000), miragetest.Ending(w.random.IntN(2)))
			}
			w.pause(20 * time.Millisecond)
		}
		w.net.Heal()
		w.inTopic(numbers("", 1, 120)...)
		w.client.do(command{Do: "leave", Topic: "news"})
		w.wait(time.Second)
		w.publish(topic, "after")
		w.wait(time.Second)
		w.inTopic(numbers("", 1, 120)...)
	}},

	{name: "loss in a topic", clause: "T5", needs: featureTopics, o: withTopics(), run: func(w *world) {
		w.connect()
		topic := w.live.Load().Topic("short")
		w.client.do(command{Do: "join", Topic: "short"})
		w.awaitEvent("joined")
		w.publish(topic, "first")
		w.inTopic("first")
		w.away()
		w.publish(topic, numbers("", 1, 20)...)
		w.net.Heal()
		w.awaitEvent("gap")
		w.inTopic("first", "18", "19", "20")
	}},

	{name: "growing message", long: true, clause: "M2", needs: featureTopics, o: withTopics(), run: func(w *world) {
		w.connect()
		w.client.do(command{Do: "join", Topic: "news", From: "start"})
		w.awaitEvent("joined")
		answer := w.live.Load().Topic("news").Stream(w.ctx, "answer", "a")
		pieces := numbers("wörd ", 1, 80)
		want := strings.Join(pieces, "")
		for i, piece := range pieces {
			_, _ = io.WriteString(answer, piece)
			if i%20 == 10 {
				w.net.CutAfter(miragetest.Down, w.random.IntN(600), miragetest.FIN)
			}
			w.pause(30 * time.Millisecond)
		}
		_ = answer.Close()
		w.net.Heal()
		var end event
		w.until(func(events []event) bool {
			end = last(events, "message")
			return end.Done
		}, func() string {
			return fmt.Sprintf("the growing message is not complete: %d bytes of %d", len(end.Whole), len(want))
		})
		if end.Whole != want {
			fail("the growing message is %.200q, want %.200q", end.Whole, want)
		}
	}},

	// The server joins the session. Whoever does not know topics ignores what comes, and
	// keeps its position in the session.
	{name: "joined by the server", clause: "T6", o: withTopics(), run: func(w *world) {
		w.connect()
		w.send("1")
		w.mustHaveAll()
		w.mu.Lock()
		session := w.session
		w.mu.Unlock()
		if err := session.Join(w.ctx, "news", mirage.FromNow); err != nil {
			fail("the server: %v", err)
		}
		w.publish(w.live.Load().Topic("news"), numbers("news ", 1, 20)...)
		w.send("2", "3")
		w.mustHaveAll()
		w.away()
		w.send("4", "5")
		w.net.Heal()
		w.mustHaveAll()
	}},

	{name: "refused join", clause: "T6", needs: featureTopics, o: withTopics(), run: func(w *world) {
		w.connect()
		w.client.do(command{Do: "join", Topic: "~only-the-server"})
		w.awaitEvent("left")
		events, _ := w.client.look()
		if status := last(events, "left").Status; status != 403 {
			fail("the server has refused a join with 403, and the client tells %d", status)
		}
	}},

	{name: "members", clause: "T8", needs: featureTopics, o: withTopics(), run: func(w *world) {
		w.connect()
		w.client.do(command{Do: "join", Topic: "room"})
		w.until(func(events []event) bool { return last(events, "members").Count == 1 },
			func() string { return "the client has not told that it is the only member" })
	}},
}

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
