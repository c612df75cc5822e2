package transport_test

import (
	"bufio"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport"
	"github.com/mirage-go/mirage/transport/poll"
	"github.com/mirage-go/mirage/transport/sse"
)

// L1: every option of the transports, and of what they share, does what it says.
func TestOptions(t *testing.T) {
	within := func(t *testing.T, what string, got, low, high time.Duration) {
		t.Helper()
		if got < low || got > high {
			t.Errorf("%s after %v, want between %v and %v", what, got, low, high)
		}
	}

	for _, tt := range []struct {
		name string
		s    setup
		test func(t *testing.T, w *world, tab *tab)
	}{
		{"LinkAge of a stream", setup{session: session.Options{LinkAge: time.Minute}},
			func(t *testing.T, w *world, tab *tab) {
				tab.b.streams = true
				l, start := tab.open(), time.Now()
				<-l.done
				within(t, "the stream ended", time.Since(start), 48*time.Second, 72*time.Second)
			}},
		{"SSE.Retry", setup{transport: transport.Options{SSE: sse.Options{Retry: 10 * time.Second}}},
			func(t *testing.T, w *world, tab *tab) {
				r, err := tab.b.request(w.Context(), "GET", "", "")
				w.must(err)
				defer r.Body.Close()
				var ms int
				line, _ := bufio.NewReader(r.Body).ReadString('\n')
				_, err = fmt.Sscanf(line, "retry: %d\n", &ms)
				w.must(err)
				within(t, "a browser comes back", time.Duration(ms)*time.Millisecond, 5*time.Second, 15*time.Second)
			}},
		{"MaxBody of a POST", setup{session: session.Options{MaxBody: 100}}, func(t *testing.T, w *world, tab *tab) {
			for n, status := range map[int]int{100: 200, 101: 413} {
				if a := tab.b.do("POST", "", strings.Repeat("x", n)); a.status != status {
					t.Errorf("%d bytes: %d %s", n, a.status, a.body)
				}
			}
		}},
		{"MaxBatch of a POST", setup{session: session.Options{MaxBatch: 2}}, func(t *testing.T, w *world, tab *tab) {
			for _, batch := range [][]string{{"1:a", "2:b"}, {"3:c", "4:d", "5:e"}} {
				if a := tab.post(batch...); a.status != 200 && len(batch) == 2 || a.status != 413 && len(batch) == 3 {
					t.Errorf("%d messages: %d %s", len(batch), a.status, a.body)
				}
			}
		}},
		{"BodyTimeout of a POST", setup{session: session.Options{BodyTimeout: 3 * time.Second}},
			func(t *testing.T, w *world, tab *tab) {
				conn, err := w.net.Dial(w.Context())
				w.must(err)
				defer conn.Close()
				tab.poll("0")

				start := time.Now()
				fmt.Fprintf(conn, "POST /live HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Length: 10\r\n%s\r\n",
					tab.credentials())
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil || resp.StatusCode != 408 {
					t.Error(resp, err)
				}

				within(t, "the body was given up", time.Since(start), 3*time.Second, 4*time.Second)
			}},
		{"LinkAge of a WebSocket", setup{session: session.Options{LinkAge: time.Minute}},
			func(t *testing.T, w *world, tab *tab) {
				s, start := tab.openSocket(), time.Now()
				<-s.done
				within(t, "the link ended", time.Since(start), 48*time.Second, 72*time.Second)
			}},
		{"MaxBody of a frame", setup{session: session.Options{MaxBody: 200}}, func(t *testing.T, w *world, tab *tab) {
			tab.openSocket()
			room := 200 - len(tab.batch("1:"))
			for n, status := range map[int]int{room: 500, room + 1: 413} { // there is no OnMessage
				if a := tab.post("1:" + strings.Repeat("x", n)); a.status != status &&
					(status == 413 || !strings.Contains(a.body, "failed")) {
					t.Errorf("%d bytes: %d %s", n, a.status, a.body)
				}
			}
		}},
		{"MaxBatch of a WebSocket", setup{session: session.Options{MaxBatch: 2}},
			func(t *testing.T, w *world, tab *tab) {
				tab.openSocket()
				for _, batch := range [][]string{{"1:a", "2:b"}, {"3:c", "4:d", "5:e"}} {
					a := tab.post(batch...)
					if a.status != 200 && len(batch) == 2 || a.status != 413 && len(batch) == 3 {
						t.Errorf("%d messages: %d %s", len(batch), a.status, a.body)
					}
				}
			}},
		{"BodyTimeout of a frame", setup{session: session.Options{BodyTimeout: 3 * time.Second}},
			func(t *testing.T, w *world, tab *tab) {
				r := tab.rawSocket()
				time.Sleep(5 * time.Second) // before a frame there is no hurry
				start := time.Now()
				r.write(masked(0x81, "hello")[:8])
				r.ends(4408)
				within(t, "the frame was given up", time.Since(start), 3*time.Second, 3*time.Second)
			}},
		{"WriteTimeout of a WebSocket", setup{session: session.Options{WriteTimeout: 4 * time.Second}},
			func(t *testing.T, w *world, tab *tab) {
				r := tab.rawSocket()
				for range 3 {
					w.send(tab.hello.ID, strings.Repeat("x", 64<<10)) // more than the network takes
				}
				start := time.Now()
				for time.Since(start) < time.Minute {
					if time.Sleep(100 * time.Millisecond); r.broken() {
						break
					}
				}
				within(t, "the link ended", time.Since(start), 4*time.Second, 6100*time.Millisecond)
			}},
		{"LinkAge of polls", setup{session: session.Options{LinkAge: 10 * time.Second}},
			func(t *testing.T, w *world, tab *tab) {
				start := time.Now()
				for tab.poll("1"); tab.hellos == 1 && time.Since(start) < time.Hour; tab.poll("1") {
				}
				// Its token lives a minute longer.
				within(t, "a new link began", time.Since(start), 8*time.Second, 74*time.Second)
			}},
		{"Poll.Hold", setup{transport: transport.Options{Poll: poll.Options{Hold: 3 * time.Second}}},
			func(t *testing.T, w *world, tab *tab) {
				start := time.Now()
				tab.poll("25")
				within(t, "an empty answer", time.Since(start), 3*time.Second, 3*time.Second)
			}},
		{"Poll.Pause", setup{transport: transport.Options{Poll: poll.Options{Pause: 3 * time.Second}}},
			func(t *testing.T, w *world, tab *tab) {
				for pause, status := range map[time.Duration]int{2: 200, 4: 401} {
					tab.mu.Lock()
					tab.hello = frame.Hello{}
					tab.mu.Unlock()
					tab.poll("25")
					time.Sleep(pause * time.Second)
					if a := tab.poll("1"); a.status != status {
						t.Errorf("after %d s: %d", pause, a.status)
					}
				}
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, tt.s, func(w *world) {
				tab := w.browser().tab()
				tab.poll("25")
				tt.test(t, w, tab)
				synctest.Wait()
			})
		})
	}
}

// U1: a client that asks first whether its body is welcome (Expect: 100-continue, as curl
// does) is told so, and not if it is not.
func TestW2ExpectContinue(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		tab := w.browser().tab()
		tab.poll("25")
		for _, tt := range []struct {
			length int
			status string
		}{{10, "100 Continue"}, {1 << 20, "413 Request Entity Too Large"}} {
			conn, err := w.net.Dial(w.Context())
			w.must(err)
			fmt.Fprintf(conn, "POST /live HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Length: %d\r\n"+
				"Expect: 100-continue\r\n%s\r\n", tt.length, tab.credentials())
			in := bufio.NewReader(conn)
			line, err := in.ReadString('\n')
			if strings.TrimSpace(line) != "HTTP/1.1 "+tt.status {
				t.Errorf("%d bytes: %q, %v", tt.length, line, err)
			}
			conn.Close()
		}
	})
}

// L1: the longest Duration there is means for ever, in every option of the transports.
func TestOptionsForever(t *testing.T) {
	const forever = math.MaxInt64
	s := setup{
		session: session.Options{LinkAge: forever, WriteTimeout: forever, BodyTimeout: forever},
		transport: transport.Options{
			SSE:  sse.Options{Retry: forever},
			Poll: poll.Options{Hold: forever, Pause: forever},
		},
	}

	inWorld(t, s, func(w *world) {
		for _, begin := range []func(*tab){
			func(t *tab) { t.b.streams = true; t.open() },
			func(t *tab) { t.openSocket() },
			func(t *tab) { t.poll("0"); t.poll("1") },
		} {
			tab := w.browser().tab()
			begin(tab)
			time.Sleep(time.Hour)
			w.send(tab.hello.ID, "a")
			synctest.Wait() // else the poll may bring it, too

			if a := tab.post(); a.status != 200 {
				t.Errorf("%d %s", a.status, a.body)
			}
			if tab.token() == "" || tab.poll("1").status != 200 {
				t.Error("the token is not good")
			}
			tab.has("a")
		}
	})
}

// H2: one place bounds what comes up, by POST and by frame.
func TestH2OneMaxBody(t *testing.T) {
	for name, tt := range map[string]struct{ option, taken int }{
		"none":      {0, 64 << 10},
		"300 bytes": {300, 300},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, setup{session: session.Options{MaxBody: tt.option}}, func(w *world) {
				b := w.browser()
				b.tab().poll("1")
				for n, status := range map[int]int{tt.taken: 200, tt.taken + 1: 413} {
					if a := b.do("POST", "", strings.Repeat("x", n)); a.status != status {
						t.Errorf("a POST of %d bytes: %d %.100s", n, a.status, a.body)
					}
				}

				tab := w.browser().tab()
				tab.openSocket()
				room := tt.taken - len(tab.batch("1:"))
				if tt.taken > 1000 { // there the bound of a message is smaller
					room = tt.taken
				}
				for n, status := range map[int]int{room: 500, room + 1: 413} { // there is no OnMessage
					if a := tab.post("1:" + strings.Repeat("x", n)); a.status != status &&
						(status == 413 || !strings.Contains(a.body, "failed")) {
						t.Errorf("a frame with %d bytes: %d %.100s", n, a.status, a.body)
					}
				}
			})
		})
	}
}

// H2: the same for the other two bounds.
func TestH2OneMaxBatchAndBodyTimeout(t *testing.T) {
	o := session.Options{MaxBatch: 2, BodyTimeout: 3 * time.Second}
	inWorld(t, setup{session: o}, func(w *world) {
		tab := w.browser().tab()
		tab.poll("1")
		for _, batch := range [][]string{{"1:a", "2:b"}, {"3:c", "4:d", "5:e"}} {
			if a := tab.post(batch...); a.status != 200 && len(batch) == 2 || a.status != 413 && len(batch) == 3 {
				t.Errorf("%d messages: %d %s", len(batch), a.status, a.body)
			}
		}
		conn, err := w.net.Dial(w.Context())
		w.must(err)
		defer conn.Close()
		start := time.Now()
		fmt.Fprintf(conn, "POST /live HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Length: 10\r\n%s\r\n",
			tab.credentials())
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if took := time.Since(start); err != nil || resp.StatusCode != 408 || took > 4*time.Second {
			t.Error(resp, err, took)
		}
	})
}
