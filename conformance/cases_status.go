package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/miragetest"
)

// statusCases check what a client does with answers that are none, and how often it asks.
var statusCases = []testCase{
	{name: "410 of a link", clause: "I11", o: brisk, run: func(w *world) {
		w.connect()
		w.mu.Lock()
		id := w.id
		w.mu.Unlock()
		if err := w.live.Load().Revoke(w.ctx, id); err != nil {
			fail("the server: %v", err)
		}
		w.mustStop(410)
	}},

	stops("403", 403), stops("405", 405), stops("410", 410),

	{name: "405 of a gateway", clause: "W6", ways: http_, o: brisk, run: func(w *world) {
		w.gate.use(func(rw http.ResponseWriter, r *request) bool {
			page(rw, 405)
			return true
		})
		w.begun()
		w.mustStop(405)
	}},

	// It says nothing about the id: the client keeps it, and comes back after a while.
	{name: "403 of a gateway", clause: "J4", o: brisk, run: func(w *world) {
		w.gate.use(times(1, func(rw http.ResponseWriter) { page(rw, 403) }))
		w.begun()
		w.awaitState("open")
		w.send("first")
		w.mustHaveAll()
	}},

	{name: "log-in page", clause: "J4", ways: http_, o: brisk, run: func(w *world) {
		w.gate.use(times(1, func(rw http.ResponseWriter) { page(rw, 200) }))
		w.begun()
		w.awaitState("open")
		w.send("first")
		w.mustHaveAll()
	}},

	{name: "503 with Retry-After", long: true, clause: "W6", ways: http_, o: brisk, run: func(w *world) {
		w.gate.use(times(2, func(rw http.ResponseWriter) { problem(rw, 503, "3") }))
		w.begun()
		w.awaitState("open")
		opened := w.gate.which((*request).opens)
		if len(opened) < 3 {
			fail("the client is open after %d requests for a link, and the server has refused two", len(opened))
		}
		for i := range 2 {
			if pause := opened[i+1].at.Sub(opened[i].at); pause < 2900*time.Millisecond {
				fail("the server has said 503 with Retry-After: 3, and the client came back after %v",
					pause.Round(time.Millisecond))
			}
		}
	}},

	{name: "429 to a POST", clause: "W6", ways: http_, o: brisk, run: func(w *world) {
		w.connect()
		w.wait(1500 * time.Millisecond)
		w.gate.use(func(rw http.ResponseWriter, r *request) bool {
			if r.Method == http.MethodPost {
				w.gate.use(nil)
				problem(rw, 429, "2")
				return true
			}
			return false
		})
		before := len(w.gate.which(isPost))
		w.say("up")
		w.mustHandle("up")
		posts := w.gate.which(isPost)[before:]
		if len(posts) > 1 {
			if pause := posts[1].at.Sub(posts[0].at); pause < 1900*time.Millisecond {
				fail("the server has said 429 with Retry-After: 2, and the client came back after %v",
					pause.Round(time.Millisecond))
			}
		}
	}},

	{name: "attempts", long: true, clause: "J4", o: brisk, run: func(w *world) {
		w.connect()
		w.gate.use(func(rw http.ResponseWriter, r *request) bool {
			problem(rw, 503, "")
			return true
		})
		before := len(w.gate.requestsOf())
		w.net.Cut(miragetest.FIN)
		w.wait(10 * time.Second)
		if n := len(w.gate.requestsOf()) - before; n > 25 {
			fail("the client has made %d requests in 10s to a server that says 503: delays must grow", n)
		}
		w.gate.use(nil)
		w.send("last")
		w.mustHaveAll()
	}},

	// The link of the token has ended, and its stream is still open.
	{name: "401 to a POST", clause: "W6", ways: http_, o: brisk, run: func(w *world) {
		w.connect()
		var token atomic.Pointer[string]
		w.gate.use(func(rw http.ResponseWriter, r *request) bool {
			if !isPost(r) {
				return false
			}
			if token.CompareAndSwap(nil, &r.token); r.token != *token.Load() {
				return false
			}
			problem(rw, 401, "")
			return true
		})
		w.say(numbers("up ", 1, 3)...)
		w.send("1", "2")
		w.mustHandle(numbers("up ", 1, 3)...)
		w.mustHaveAll()
		if n := len(w.gate.which((*request).opens)); n < 2 || n > 4 {
			fail("after a 401 to a POST the client has opened %d links, and needs one", n-1)
		}
	}},

	{name: "401 of a gateway to a POST", clause: "J4", ways: http_, o: brisk, run: func(w *world) {
		w.connect()
		w.wait(1500 * time.Millisecond)
		w.gate.use(func(rw http.ResponseWriter, r *request) bool {
			if isPost(r) {
				w.gate.use(nil)
				page(rw, 401)
				return true
			}
			return false
		})
		w.say("up")
		w.mustHandle("up")
	}},

	{name: "too large", clause: "W6", needs: featureEmit, o: brisk, run: func(w *world) {
		w.connect()
		for i, text := range []string{"first", long(1, 70_000)[0], "last"} {
			w.client.do(command{Do: "emit", Name: "said", Data: strconv.Quote(text), Ref: i + 1})
		}
		w.awaitOutcomes("accepted 1", "accepted 3", "rejected 2 413")
		w.mustHandle(`"first"`, `"last"`)
	}},

	{name: "outcomes", clause: "U2", needs: featureEmit, o: brisk, run: func(w *world) {
		w.connect()
		for i, name := range []string{"said", "fail", "said"} {
			w.client.do(command{Do: "emit", Name: name, Data: fmt.Sprint(i + 1), Ref: i + 1})
		}
		w.awaitOutcomes("accepted 1", "accepted 3", "rejected 2 500")
		w.mustHandle("1", "2", "3")
	}},
}

// stops is the case of a status after which a client must not come back.
func stops(name string, status int) testCase {
	return testCase{name: name + " to a GET", clause: "W6", ways: http_, o: brisk, run: func(w *world) {
		w.connect()
		w.gate.use(func(rw http.ResponseWriter, r *request) bool {
			problem(rw, status, "")
			return true
		})
		w.net.Cut(miragetest.FIN)
		w.mustStop(status)
	}}
}

// mustStop waits until the client is closed with this status, and checks that it asks for
// no more links.
func (w *world) mustStop(status int) {
	w.awaitState("closed")
	events, _ := w.client.look()
	if got := last(events, "state").Status; got != status {
		fail("the client is closed with the status %d, and the server has said %d", got, status)
	}
	w.wait(500 * time.Millisecond) // a request may be on its way
	before := len(w.gate.which((*request).opens))
	w.wait(2 * time.Second)
	if n := len(w.gate.which((*request).opens)) - before; n > 0 {
		fail("the client has asked for %d links after the server has said %d, which is final", n, status)
	}
}

func (w *world) awaitOutcomes(want ...string) {
	var got []string
	w.until(func(events []event) bool {
		got = nil
		for _, e := range events {
			switch e.Event {
			case "accepted":
				got = append(got, fmt.Sprint("accepted ", e.Ref))
			case "rejected":
				got = append(got, fmt.Sprintf("rejected %d %d", e.Ref, e.Status))
			}
		}
		slices.Sort(got)
		return slices.Equal(got, want)
	}, func() string { return fmt.Sprintf("the client has told %q, want %q", got, want) })
}

func isPost(r *request) bool { return r.Method == http.MethodPost }

func (g *gate) requestsOf() []request { return g.which(func(*request) bool { return true }) }

// times answers the first n requests for a link.
func times(n int, answer func(http.ResponseWriter)) func(http.ResponseWriter, *request) bool {
	var asked atomic.Int64
	return func(rw http.ResponseWriter, r *request) bool {
		if !r.opens() || asked.Add(1) > int64(n) {
			return false
		}
		answer(rw)
		return true
	}
}
