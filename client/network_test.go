package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
)

// numbers returns first, first+1 and so on, as texts.
func numbers(first, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(first+i))
	}
	return all
}

// eachTransport runs f on a site, with a client of each transport alone, and with one
// that chooses.
func eachTransport(t *testing.T, o mirage.Options, f func(s *site, o client.Options)) {
	for _, transport := range append(transports, "") {
		t.Run("transport "+transport, func(t *testing.T) {
			onSite(t, o, func(s *site) {
				var o client.Options
				if transport != "" {
					o.Transports = []string{transport}
				}
				f(s, o)
			})
		})
	}
}

// C1: the network becomes a black hole: what was sent meanwhile arrives when it heals.
func TestC1BlackHole(t *testing.T) {
	eachTransport(t, mirage.Options{Retention: 10 * time.Minute}, func(s *site, o client.Options) {
		h := new(hole)
		s.dial = func(conn net.Conn) net.Conn { return newHoleConn(conn, h) }
		c := s.connect(o)
		s.send(c, "before")
		equal(s, take(s, c.Messages, 1), "before")

		h.set(true)
		s.send(c, "during")
		s.say(c, "up")
		time.Sleep(2 * time.Minute)
		if state := c.State(); state.Phase == client.PhaseOpen {
			s.Errorf("the state in the hole is %+v", state)
		}
		h.set(false)
		equal(s, take(s, c.Messages, 1), "during")
		time.Sleep(time.Minute)
		s.has("up")
		if state := c.State(); state.Phase != client.PhaseOpen {
			s.Errorf("the state after the hole is %+v", state)
		}
	})
}

// C1: the server loses its memory in a restart. The client is told what is lost, and what
// it sends is marked as a repeat where that is possible.
func TestC1Restart(t *testing.T) {
	eachTransport(t, mirage.Options{}, func(s *site, o client.Options) {
		c := s.connect(o)
		id := c.ID()
		s.send(c, "one", "two")
		equal(s, take(s, c.Messages, 1), "one")
		s.send(c, "three")
		time.Sleep(10 * time.Second)

		s.server.Close()
		s.start(mirage.Options{})
		time.Sleep(time.Minute)
		if got := c.ID(); got != id {
			s.Errorf("the id was %q and is %q", id, got)
		}
		s.send(c, "four")
		got := take(s, c.Messages, 4)
		want := "two three (client: messages "
		if text := strings.Join(got, " "); !strings.HasPrefix(text, want) || got[3] != "four" {
			s.Errorf("got %q", got)
		}
		s.say(c, "again")
		time.Sleep(time.Second)
		s.has("again")
	})
}

// C1: a log-in gives the session another id, and the client goes on with it.
func TestC1Rotate(t *testing.T) {
	eachTransport(t, mirage.Options{}, func(s *site, o client.Options) {
		h := s.http()
		h.Jar, _ = cookiejar.New(nil)
		o.HTTPClient = h
		c := s.connect(o)
		id := c.ID()
		s.send(c, "before")
		s.say(c, "up before")
		time.Sleep(time.Second)
		resp, err := h.Get("http://" + s.net.Addr().String() + "/login")
		if err != nil {
			s.Fatal(err)
		}
		resp.Body.Close()
		s.say(c, "up after")
		time.Sleep(time.Minute)
		if c.ID() == id || c.State().Phase != client.PhaseOpen {
			s.Errorf("the id was %q, the state is %+v", id, c.State())
		}
		s.send(c, "after")
		equal(s, take(s, c.Messages, 2), "before", "after")
		s.has("up before", "up after")
	})
}

// C1: Revoke ends the client for good: the loop and later calls say so.
func TestC1Revoke(t *testing.T) {
	eachTransport(t, mirage.Options{}, func(s *site, o client.Options) {
		c := s.connect(o)
		s.send(c, "before")
		if err := s.live.Revoke(s.Context(), c.ID()); err != nil {
			s.Fatal(err)
		}
		time.Sleep(time.Minute)
		var e *client.Error
		if state := c.State(); state.Phase != client.PhaseClosed || !errors.As(state.Err, &e) || e.Status != 410 {
			s.Errorf("the state is %+v", state)
		}
		if err := c.Send(s.Context(), client.Message{}); !errors.As(err, &e) || e.Status != 410 {
			s.Errorf("Send: %v", err)
		}
		if err := c.Emit(s.Context(), "said", 1); !errors.As(err, &e) || e.Status != 410 {
			s.Errorf("Emit: %v", err)
		}
		got := take(s, c.Messages, 2)
		if last := got[len(got)-1]; !strings.Contains(last, "410") {
			s.Errorf("the loop ends with %q", got)
		}
	})
}

// C1: a server that shuts down asks its clients to come back, and they lose nothing.
func TestC1Drain(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			onSite(t, mirage.Options{LinkAge: 40 * time.Second}, func(s *site) {
				var mu sync.Mutex
				waits := 0
				c := s.connect(client.Options{
					Transports: []string{transport},
					OnState: func(state client.State) {
						mu.Lock()
						defer mu.Unlock()
						if state.Phase == client.PhaseWaiting {
							waits++
						}
					},
				})
				for i := range 40 {
					text := fmt.Sprint(i)
					s.send(c, text)
					s.say(c, text)
					equal(s, take(s, c.Messages, 1), text)
					time.Sleep(10 * time.Second)
				}
				s.has(numbers(0, 40)...)
				mu.Lock()
				defer mu.Unlock()
				if waits < 5 && transport != client.Poll { // polls go on with a new hello
					s.Errorf("the client has had %d links", waits)
				}
			})
		})
	}
}

// C1: answers to POSTs are lost, or come late. Each message is handled once.
func TestC1LostAnswers(t *testing.T) {
	for _, transport := range []string{client.SSE, client.Poll} {
		t.Run(transport, func(t *testing.T) {
			onSite(t, mirage.Options{}, func(s *site) {
				h := s.http()
				n := 0
				change := func(r *http.Request, resp *http.Response) (*http.Response, error) {
					if r.Method != http.MethodPost {
						return resp, nil
					}
					switch n++; n % 3 {
					case 0:
						resp.Body.Close()
						return nil, errCut
					case 1:
						resp.Body.Close()
						<-r.Context().Done()
						return nil, r.Context().Err()
					}
					return resp, nil
				}
				h.Transport = roundTripper{h.Transport, change}
				c := s.connect(client.Options{Transports: []string{transport}, HTTPClient: h})
				for _, text := range numbers(0, 20) {
					s.say(c, text)
					time.Sleep(time.Second)
				}
				time.Sleep(10 * time.Minute)
				s.has(numbers(0, 20)...)
			})
		})
	}
}

// roundTripper changes answers.
type roundTripper struct {
	http.RoundTripper
	change func(*http.Request, *http.Response) (*http.Response, error)
}

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	resp, err := r.RoundTripper.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	return r.change(request, resp)
}

// C1: the transport changes ten times while messages go in both directions.
func TestC1Switches(t *testing.T) {
	onSite(t, mirage.Options{}, func(s *site) {
		c := s.connect(client.Options{})
		const n = 200
		var sent sync.WaitGroup
		sent.Go(func() {
			for _, text := range numbers(0, n) {
				s.send(c, text)
				s.say(c, text)
				time.Sleep(50 * time.Millisecond)
			}
		})
		sent.Go(func() {
			for i := range 10 {
				if err := c.Use(s.Context(), transports[(i+1)%3]); err != nil {
					s.Errorf("Use: %v", err)
				}
				if got := c.State().Transport; got != transports[(i+1)%3] {
					s.Errorf("the transport is %s", got)
				}
				time.Sleep(time.Second)
			}
		})
		equal(s, take(s, c.Messages, n), numbers(0, n)...)
		sent.Wait()
		time.Sleep(time.Second)
		s.has(numbers(0, n)...)
		s.nothing(c)
	})
}

// C1: Send waits while the queue is full, and tells when its context ends.
func TestC1QueueFull(t *testing.T) {
	onSite(t, mirage.Options{}, func(s *site) {
		c := s.connect(client.Options{MaxQueue: 3, MaxQueueBytes: 100})
		c.Disconnect()
		for _, text := range numbers(0, 3) {
			s.say(c, text)
		}
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		if err := c.Send(ctx, client.Message{Data: []byte("no")}); !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("the queue is full: %v", err)
		}
		if err := c.Send(ctx, client.Message{Data: make([]byte, 101)}); err == nil {
			s.Error("a message is larger than the queue")
		}
		var late sync.WaitGroup
		late.Go(func() { s.say(c, "3") })
		time.Sleep(time.Minute)
		if n := c.Queued(); n != 3 {
			s.Errorf("%d messages are queued", n)
		}
		if err := c.Connect(s.Context()); err != nil {
			s.Error(err)
		}
		late.Wait()
		time.Sleep(time.Second)
		s.has(numbers(0, 4)...)
	})
}

// C1: a loop that takes its time gets everything, though the client keeps only a part.
func TestC1SlowLoop(t *testing.T) {
	eachTransport(t, mirage.Options{}, func(s *site, o client.Options) {
		o.MaxWaiting = 5
		c := s.connect(o)
		const n = 60
		s.send(c, numbers(0, n)...)
		time.Sleep(5 * time.Second)
		if err := c.Emit(s.Context(), "said", "in the meantime"); err != nil {
			s.Error(err)
		}
		got := []string{}
		for m, err := range c.Messages(s.Context()) {
			if err != nil {
				s.Fatal(err)
			}
			got = append(got, string(m.Data))
			if len(got)%20 == 0 {
				time.Sleep(70 * time.Second) // longer than the server waits for an acknowledgement
			}
			if len(got) == n {
				break
			}
		}
		equal(s, got, numbers(0, n)...)
	})
}

// C1: a loop that is left before it asks for the next message gets the last one again,
// unless that was acknowledged. There is one loop at a time.
func TestC1LeaveLoop(t *testing.T) {
	onSite(t, mirage.Options{}, func(s *site) {
		c := s.connect(client.Options{})
		s.send(c, "one", "two", "three")
		for m := range c.Messages(s.Context()) {
			if got := string(m.Data); got != "one" || m.Again {
				s.Errorf("got %q, again %v", got, m.Again)
			}
			for _, err := range c.Messages(s.Context()) {
				if err == nil {
					s.Error("there are two loops")
				}
			}
			break
		}
		equal(s, take(s, c.Messages, 2), "one?", "two")
		equal(s, take(s, c.Messages, 1), "three")
	})
}

// C1: the message that a loop has when its context ends was delivered, if the loop asks
// for the next one.
func TestC1EndLoop(t *testing.T) {
	onSite(t, mirage.Options{}, func(s *site) {
		c := s.connect(client.Options{})
		const n = 50
		s.send(c, numbers(0, n)...)
		var got []string
		for len(got) < n {
			ctx, cancel := context.WithCancel(s.Context())
			for m, err := range c.Messages(ctx) {
				if err == nil {
					got = append(got, string(m.Data))
				}
				cancel()
			}
			cancel()
		}
		equal(s, got, numbers(0, n)...)
	})
}

// C1: an idle client has at most two goroutines of its own, on each transport.
func TestC1Goroutines(t *testing.T) {
	eachTransport(t, mirage.Options{}, func(s *site, o client.Options) {
		s.connect(o)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		own := 0
		for stack := range strings.SplitSeq(string(stacks), "\n\n") {
			if strings.Contains(stack, "mirage/client.(*Client)") && !strings.Contains(stack, "client_test.") {
				own++
			}
		}
		if own == 0 || own > 2 {
			s.Errorf("the client has %d goroutines", own)
		}
	})
}

// C1: a handler that takes longer than the client waits for an answer runs once, and Emit
// returns when it has finished.
func TestC1SlowHandler(t *testing.T) {
	var calls atomic.Int64
	o := mirage.Options{
		OnMessage: func(context.Context, *mirage.Session, mirage.Incoming) error {
			calls.Add(1)
			time.Sleep(40 * time.Second)
			return nil
		},
	}
	eachTransport(t, o, func(s *site, o client.Options) {
		c := s.connect(o)
		calls.Store(0)
		began := time.Now()
		if err := c.Emit(s.Context(), "said", 1); err != nil || calls.Load() != 1 {
			s.Errorf("after %d calls: %v", calls.Load(), err)
		}
		if d := time.Since(began); d < 40*time.Second || d > 2*time.Minute {
			s.Errorf("Emit returned after %v", d)
		}
	})
}
