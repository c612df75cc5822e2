package main

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/miragetest"
)

// brisk is the server of most cases: what takes long elsewhere takes a second.
var brisk = mirage.Options{Heartbeat: time.Second, AckTimeout: 5 * time.Second, Rate: -1}

// deliveryCases check that messages come once and in order in both directions, whatever
// the network does.
var deliveryCases = []testCase{
	{name: "order", clause: "D1", o: brisk, run: func(w *world) {
		w.connect()
		w.say(numbers("up ", 1, 100)...)
		w.send(numbers("", 1, 100)...)
		w.mustHaveAll()
		w.mustHandle(numbers("up ", 1, 100)...)
	}},

	{name: "cuts", long: true, clause: "D7", o: brisk, run: func(w *world) {
		w.connect()
		const n = 120
		for i := 1; i <= n; i++ {
			w.send(numbers("", i, i)...)
			w.say(numbers("up ", i, i)...)
			if i%12 == 0 {
				direction, how := miragetest.Direction(w.random.IntN(2)), miragetest.Ending(w.random.IntN(2))
				w.net.CutAfter(direction, w.random.IntN(2000), how)
			}
			w.pause(40 * time.Millisecond)
		}
		w.net.Heal()
		w.mustHaveAll()
		w.mustHandle(numbers("up ", 1, n)...)
	}},

	// The client has to notice that nothing comes any more: nobody closes the connection.
	{name: "hole", long: true, clause: "L1", o: brisk, run: func(w *world) {
		w.connect()
		w.send("before")
		w.mustHaveAll()
		w.net.Hole()
		w.send(numbers("during ", 1, 5)...)
		w.say("up")
		w.wait(2 * time.Second)
		w.net.Heal()
		w.mustHaveAll()
		w.mustHandle("up")
	}},

	{name: "lost answers", clause: "U1", ways: http_, o: brisk, run: func(w *world) {
		w.connect()
		var n atomic.Int64
		w.gate.use(func(rw http.ResponseWriter, r *request) bool {
			if r.Method != http.MethodPost {
				return false
			}
			if n.Add(1)%2 == 1 {
				loseAnswer(w.live.Load(), rw, r.Request)
			}
			return false
		})
		for _, text := range numbers("up ", 1, 8) {
			w.say(text)
			w.pause(100 * time.Millisecond)
		}
		w.mustHandle(numbers("up ", 1, 8)...)
	}},

	// Several links may bring the same message. The server of this case repeats each one.
	{name: "repeated blocks", clause: "D7", ways: http_, o: brisk, run: func(w *world) {
		w.gate.change(repeat)
		w.connect()
		w.send(numbers("", 1, 20)...)
		w.mustHaveAll()
	}},

	{name: "acknowledgements", clause: "D4", o: mirage.Options{
		Heartbeat: time.Second, AckTimeout: -1, MaxMessages: 20,
	}, run: func(w *world) {
		w.connect()
		w.send(numbers("", 1, 100)...)
		w.mustHaveAll()
	}},

	{name: "slow reader", long: true, clause: "L2", o: brisk, run: func(w *world) {
		w.connect()
		w.net.Bandwidth(40 << 10)
		w.send(long(10, 16<<10)...)
		w.mustHaveAll()
	}},

	{name: "drain", long: true, clause: "L1", o: mirage.Options{
		Heartbeat: time.Second, LinkAge: 2 * time.Second, Rate: -1,
	}, run: func(w *world) {
		w.connect()
		for i := 1; i <= 120; i++ {
			w.send(numbers("", i, i)...)
			w.say(numbers("up ", i, i)...)
			w.wait(50 * time.Millisecond)
		}
		w.mustHaveAll()
		w.mustHandle(numbers("up ", 1, 120)...)
		if n := len(w.gate.which((*request).opens)); n > 30 {
			fail("the client has opened %d links in 6s, and the server has asked for 4", n)
		}
	}},

	{name: "switch", clause: "X1", needs: featureSwitch, ways: chosen, o: brisk, run: func(w *world) {
		w.connect()
		all := w.client.greeting.Transports
		for i := 1; i <= 150; i++ {
			w.send(numbers("", i, i)...)
			w.say(numbers("up ", i, i)...)
			if i%25 == 0 {
				w.client.do(command{Do: "use", Transport: all[i/25%len(all)]})
			}
			w.wait(20 * time.Millisecond)
		}
		w.mustHaveAll()
		w.mustHandle(numbers("up ", 1, 150)...)
	}},

	// A page is loaded again while the network is away: what it had written goes on.
	{name: "reload", long: true, clause: "X2", needs: featureReload, o: brisk, run: func(w *world) {
		w.connect()
		for i := range 3 {
			first := 10 * i
			w.send(numbers("", first+1, first+10)...)
			w.mustHaveAll()
			w.net.Refuse()
			w.net.Cut(miragetest.FIN)
			w.say(numbers("up ", first+1, first+10)...)
			w.wait(700 * time.Millisecond)
			w.client.do(command{Do: "reload"})
			w.wait(300 * time.Millisecond)
			w.net.Heal()
			w.mustHandle(numbers("up ", 1, first+10)...)
		}
		w.mustHaveAll()
	}},

	// The page is loaded again after its message was handled, without an answer.
	{name: "reload without an answer", clause: "U1", needs: featureReload, ways: http_, o: brisk, run: func(w *world) {
		w.connect()
		w.gate.use(func(rw http.ResponseWriter, r *request) bool {
			if r.Method == http.MethodPost {
				loseAnswer(w.live.Load(), rw, r.Request)
			}
			return false
		})
		w.say("up 1")
		w.mustHandle("up 1")
		w.say("up 2")
		w.wait(700 * time.Millisecond)
		w.net.Refuse()
		w.net.Cut(miragetest.FIN)
		w.client.do(command{Do: "reload"})
		w.gate.use(nil)
		w.net.Heal()
		w.mustHandle("up 1", "up 2")
		w.say("up 3")
		w.mustHandle("up 1", "up 2", "up 3")
	}},

	// Only the position says what a page has missed.
	{name: "reload and restart", clause: "X2", needs: featureReload, o: brisk, run: func(w *world) {
		w.connect()
		w.send(numbers("", 1, 5)...)
		w.mustHaveAll()
		w.wait(700 * time.Millisecond)
		w.net.Refuse()
		w.net.Cut(miragetest.FIN)
		w.send(numbers("", 6, 10)...)
		w.client.do(command{Do: "reload"})
		w.restart()
		w.net.Heal()
		w.awaitGap("restarted")
		w.mustHaveAll()
	}},

	{name: "disconnect", clause: "D6", o: brisk, run: func(w *world) {
		w.connect()
		w.send("1")
		w.mustHaveAll()
		w.client.do(command{Do: "disconnect"})
		w.awaitState("idle")
		w.send(numbers("", 2, 9)...)
		w.say("up")
		before := len(w.gate.which((*request).opens))
		w.wait(time.Second)
		if after := len(w.gate.which((*request).opens)); after != before {
			fail("the client opens links although it is disconnected")
		}
		w.client.do(command{Do: "connect"})
		w.mustHaveAll()
		w.mustHandle("up")
	}},

	{name: "goodbye", clause: "D7", o: brisk, run: func(w *world) {
		w.connect()
		w.say("up")
		w.client.do(command{Do: "close"})
		w.awaitState("closed")
		w.mustHandle("up")
		w.until(func([]event) bool {
			return len(w.gate.which(func(r *request) bool {
				return r.Method == http.MethodDelete || strings.Contains(r.body, `"leaving":true`)
			})) > 0
		}, func() string { return "the client has not said goodbye by a DELETE or leaving" })
	}},
}

// long returns texts of many lines with that many bytes.
func long(n, bytes int) (all []string) {
	for _, number := range numbers("text ", 1, n) {
		line := number + " of several lines, none of which may come alone\n"
		text := slices.Repeat([]byte(line), bytes/len(line)+1)[:bytes-1]
		all = append(all, string(text)+".")
	}
	return all
}
