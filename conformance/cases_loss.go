package main

import (
	"net/http"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/miragetest"
)

// lossCases check that a client tells what is lost, and marks what may come twice.
var lossCases = []testCase{
	{name: "trimmed", clause: "D3", o: mirage.Options{
		Heartbeat: time.Second, MaxMessages: 10, Overflow: mirage.OverflowDropOldest,
	}, run: func(w *world) {
		w.connect()
		w.send("first")
		w.mustHaveAll()
		w.away()
		w.send(numbers("", 1, 50)...)
		w.net.Heal()
		w.awaitGap("trimmed")
		w.mustHaveAll()
		w.send("last")
		w.mustHaveAll()
	}},

	// The link of a poll, and so its session, lasts for thirty seconds without a poll.
	{name: "expired", long: true, clause: "D3", ways: lasting, o: mirage.Options{
		Heartbeat: time.Second, Retention: time.Second,
	}, run: func(w *world) {
		w.connect()
		w.send("first")
		w.mustHaveAll()
		w.away()
		w.send("lost")
		w.wait(2500 * time.Millisecond)
		w.net.Heal()
		w.awaitGap("expired")
		w.send("last")
		w.mustHaveAll()
	}},

	{name: "restarted", clause: "D3", o: brisk, run: func(w *world) {
		w.connect()
		w.send(numbers("", 1, 5)...)
		w.mustHaveAll()
		w.away()
		w.send("lost")
		w.restart()
		w.net.Heal()
		w.awaitGap("restarted")
		w.send("last")
		w.mustHaveAll()
	}},

	// The server goes away in good order. Clients are told when to come back.
	{name: "shutdown", clause: "L1", o: brisk, run: func(w *world) {
		w.connect()
		w.send("first")
		w.say("up 1")
		w.mustHaveAll()
		w.mustHandle("up 1")
		w.shutdown(5 * time.Second)
		w.say("up 2")
		w.wait(200 * time.Millisecond)
		w.start()
		w.mustHandle("up 1", "up 2")
		w.send("last")
		w.mustHaveAll()
	}},

	// The server has handled a message, and a restart loses its memory before the client
	// has the answer. A message that was never sent is not marked.
	{name: "again", clause: "U1", ways: http_, o: mirage.Options{Heartbeat: -1, Rate: -1}, run: func(w *world) {
		w.connect() // without heartbeats: they would tell that the message is accepted
		w.gate.use(func(rw http.ResponseWriter, r *request) bool {
			if r.Method == http.MethodPost {
				loseAnswer(w.live.Load(), rw, r.Request)
			}
			return false
		})
		w.say("tried")
		w.mustHandle("tried")
		w.net.Refuse()
		w.restart()
		w.gate.use(nil) // nobody has had an answer
		w.say("new")
		w.wait(200 * time.Millisecond)
		w.net.Heal()
		w.mustHandle("tried", "tried", "new")
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.came[1].again {
			fail("the client repeats a message after a hello that did not resume, without again")
		}
		if w.came[2].again {
			fail("the client marks a message with again that it has never sent before")
		}
	}},

	// Superseded messages are no gap, although their numbers are missing.
	{name: "keyed", clause: "M1", o: brisk, run: func(w *world) {
		w.connect()
		w.send("first")
		w.mustHaveAll()
		w.away()
		for _, price := range numbers("", 1, 9) {
			w.sendMessage(mirage.Message{Event: "price", Key: "gold", Data: []byte(price)})
		}
		w.send("last")
		w.net.Heal()
		w.until(func(events []event) bool { return last(events, "message").Data == "last" },
			func() string { return "the message after those with a key has not come" })
		events, _ := w.client.look()
		if last(events, "gap").Event != "" {
			fail("the client tells of a gap, but messages that were superseded are none")
		}
		if n := len(events); n < 2 || !has(events, "9") {
			fail("the newest message of the key has not come")
		}
	}},
}

// away cuts the network for a while.
func (w *world) away() {
	w.wait(700 * time.Millisecond) // until what came is acknowledged
	w.net.Refuse()
	w.net.Cut(miragetest.FIN)
	w.wait(100 * time.Millisecond)
}

func has(events []event, text string) bool {
	for _, e := range events {
		if e.Event == "message" && e.Data == text {
			return true
		}
	}
	return false
}

// awaitGap waits until the client has told of a loss, and checks its reason.
func (w *world) awaitGap(reason string) {
	w.until(func(events []event) bool { return last(events, "gap").Event != "" },
		func() string { return "messages are lost (" + reason + "), and the client has not told of a gap" })
	events, _ := w.client.look()
	if got := last(events, "gap").Reason; got != reason {
		fail("the client says that messages are lost because %q, and the server has said %q", got, reason)
	}
}
