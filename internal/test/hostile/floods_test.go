package hostile_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/transport"
	"github.com/mirage-go/mirage/transport/poll"
)

// I3, U3: a thousand handshakes whose hook hangs, each with a megabyte behind it, cost no
// more than their connections: at most ceiling bytes each, for both ends in this process.
// By default 64 hang and the others are told to come back. Other clients are not
// affected.
func TestI3PendingHandshakes(t *testing.T) {
	const crowd, ceiling = 1000, 64 << 10
	megabyte := bytes.Repeat([]byte(payload+"\n"), 1<<20/(len(payload)+1))
	for name, hooks := range map[string]int{"64 hooks": 0, "hooks for all": crowd} {
		t.Run(name, func(t *testing.T) {
			var pending atomic.Int64
			s := newSite(t, setup{identity: middleware.Options{
				MaxHooks: hooks,
				Timeout:  5 * time.Second, // net/http does not see that a client with bytes to read has left
				Validate: func(r *http.Request, id string) (string, error) {
					if strings.HasPrefix(id, "crowd") {
						pending.Add(1)
						<-r.Context().Done()
						return "", r.Context().Err()
					}
					return "", nil
				},
			}})

			vera := s.visitor("vera", client.SSE)
			vera.fine("before")
			before := measure()

			var senders sync.WaitGroup
			var wires []*wire
			var refused, over atomic.Int64
			for i := range crowd {
				w := s.dial()
				wires = append(wires, w)
				head := request("POST", "/live", "", withCookie(s.sign(fmt.Sprint("crowd", i))),
					fmt.Sprint("Content-Length: ", len(megabyte)))
				if i%2 == 0 { // a stream, and bytes that belong to no request
					head = request("GET", "/live", "", withCookie(s.sign(fmt.Sprint("crowd", i))), accept)
				}
				senders.Go(func() {
					w.SetDeadline(time.Now().Add(time.Minute))
					io.WriteString(w, head)
					w.Write(megabyte) // blocks once the kernel's buffers are full
				})
				senders.Go(func() {
					defer over.Add(1)
					a, err := w.reply("POST")
					if err == nil && (a.status == 503 || strings.HasPrefix(a.body, "retry:")) {
						refused.Add(1)
					}
				})
			}

			want := int64(crowd)
			if hooks == 0 {
				want = 64
			}
			eventually(t, "the hooks hang", func() bool { return pending.Load() >= want && over.Load() >= crowd-want })
			// TCP drops a response if the rest of the megabyte finds the connection
			// closed.
			if refused.Load() < (crowd-want)/2 {
				t.Errorf("of %d refused %d were told to come back", crowd-want, refused.Load())
			}

			start := time.Now()
			for range 20 {
				vera.fine("among pending handshakes")
			}
			roundTrip := time.Since(start) / 20
			cost := (measure().bytes - before.bytes) / crowd
			t.Logf("%d pending, %d told to come back: %d bytes each; vera's round trip %v",
				pending.Load(), refused.Load(), cost, roundTrip)
			if cost > ceiling {
				t.Errorf("%d bytes for each handshake, at most %d are right", cost, ceiling)
			}

			for _, w := range wires {
				w.Close()
			}
			senders.Wait()
			settles(t, before)
			if n, sessions := s.others("vera"); n > 0 || sessions != 1 {
				t.Errorf("%d messages handled, %d sessions", n, sessions)
			}
		})
	}
}

// D5: when the memory for all sessions is used up, new ones get 503 and existing ones
// continue.
func TestD5SessionFlood(t *testing.T) {
	s := newSite(t, setup{session: session.Options{Budget: 1 << 20, MaxBytes: 256 << 10}})
	vera := s.visitor("vera", client.SSE)
	vera.fine("before")

	w := s.dial()
	defer func() { w.Close() }()
	refused, made := 0, 0
	for i := 0; refused < 100 && i < 5000; i++ {
		cid := fmt.Sprintf("&_cid=flood-%020d", i)
		if refused%2 == 1 {
			cid = "" // an EventSource
		}
		if _, err := io.WriteString(w, request("GET", "/live?_wait=0"+cid, "", accept)); err != nil {
			t.Fatal(err)
		}
		a, err := w.reply("GET")
		switch {
		case err != nil:
			t.Fatal(err)
		case a.status == 503 && a.header.Get("Retry-After") != "" && a.detail() != "",
			cid == "" && a.status == 200 && strings.HasPrefix(a.body, "retry:"):
			refused++
		case a.status == 200 && strings.Contains(a.body, frame.EventHello):
			made++
		default:
			t.Fatalf("%+v", a)
		}
		w.Close() // a poll's response is not read to its end
		w = s.dial()
	}

	t.Logf("%d sessions made, then %d refused", made, refused)
	if refused < 100 || made < 100 {
		t.Errorf("%d sessions made, then %d refused", made, refused)
	}
	for range 20 {
		vera.fine("in a flood of sessions")
	}
	if _, err := s.m.Send(t.Context(), "vera", store.Text(strings.Repeat(payload, 1000))); err != nil {
		t.Errorf("a message of 7 KB to a session that was there before: %v", err)
	}

	s.visitor("vera", client.SSE) // another tab
}

// D5: ten thousand client objects of one id, one after another, have at most 32 links,
// some of readers and some of writers. Each that finds a place is served.
func TestD5TenThousandReaders(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 1000
	}
	s := newSite(t, setup{
		session:   session.Options{Rate: -1, LinkRate: -1},
		transport: transport.Options{Poll: poll.Options{Pause: 10 * time.Millisecond}},
	})

	vera := s.visitor("vera", client.SSE)
	vera.fine("before")
	mallory := s.probe("mallory")
	before := measure()

	var crowd sync.WaitGroup
	var served atomic.Int64
	for k := range 4 {
		crowd.Go(func() {
			c := &http.Client{Transport: &http.Transport{}}
			defer c.CloseIdleConnections()
			for i := k; i < n; i += 4 {
				cid := fmt.Sprintf("reader-%020d", i)
				reader := &probe{site: s, id: "mallory", cid: cid, sig: mallory.sig, http: c}
				err := reader.poll(context.Background())
				if err == nil && i%10 == 0 {
					err = reader.post(context.Background(), payload)
				}
				switch {
				case err == nil:
					served.Add(1)
				case strings.HasPrefix(err.Error(), "429"): // there are 32 others
				case strings.HasPrefix(err.Error(), "401"): // its link has ended meanwhile
				default:
					t.Errorf("reader %d: %v", i, err)
					return
				}
				if i%1000 == 0 {
					vera.fine("among ten thousand readers")
				}
			}
		})
	}

	crowd.Wait()
	s.mu.Lock()
	s.signed, s.handled = slices.Clone(s.signed[:10]), nil // this memory is the test's, not the server's
	s.mu.Unlock()

	most := measure().bytes - before.bytes
	t.Logf("%d readers, %d served: %d KiB in all", n, served.Load(), most>>10)
	if served.Load() < int64(n/20) {
		t.Errorf("%d of %d were served", served.Load(), n)
	}
	if most > 8<<20 {
		t.Errorf("%d readers hold %d KiB", n, most>>10)
	}
	settles(t, before) // ten seconds after its last link each reader is forgotten, or is one of the 128 that are kept
}

// L1: of 33 tabs of one session the last one is told that there is no place. The others
// do not notice.
func TestL1LinksOfASession(t *testing.T) {
	s := newSite(t, setup{})
	vera := s.visitor("vera", client.SSE)
	var tabs []*visitor
	for range 32 {
		tabs = append(tabs, s.visitor("mallory", client.SSE))
	}

	for _, wait := range []string{"", "&_wait=25"} {
		a, err := s.exchange(request("GET", "/live?_cid=one-too-many-0123456789"+wait, "",
			accept, withCookie(tabs[0].sig)))
		if err != nil || a.status != 429 ||
			a.header.Get("Retry-After") != "60" || !strings.Contains(a.detail(), "close one") {
			t.Errorf("%+v %v", a, err)
		}
	}

	s.sent(s.m.Send(t.Context(), "mallory", store.Text("to all")))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, tab := range tabs {
		tab.take(ctx, "at the end", 1)
	}
	vera.fine("at the end")
}

// L1: a session that keeps beginning links is told to slow down. Others are not.
func TestL1LinkFlood(t *testing.T) {
	s := newSite(t, setup{})
	vera, mallory := s.visitor("vera", client.SSE), s.probe("mallory")
	refused := 0
	for i := range 500 {
		target := fmt.Sprintf("/live?_wait=0&_cid=link-%020d", i%8)
		a, err := s.exchange(request("GET", target, "", accept, withCookie(mallory.sig)))
		switch {
		case err != nil || a.status != 200 && a.status != 429:
			t.Fatalf("%+v %v", a, err)
		case a.status == 429:
			refused++
			if a.header.Get("Retry-After") == "" || !strings.Contains(a.detail(), "too many new links") {
				t.Errorf("%+v", a)
			}
		}
	}
	t.Logf("%d of 500 refused", refused)
	if refused == 0 {
		t.Error("none was refused")
	}
	vera.fine("at the end")
	s.visitor("vera", client.SSE) // another tab
}

// L1: a session that sends too much is told to slow down, however it sends. Others are
// not.
func TestL1RateOfASession(t *testing.T) {
	s := newSite(t, setup{session: session.Options{Rate: 1, Burst: 20}})
	vera, mallory := s.visitor("vera", client.SSE), s.probe("mallory")
	s.must(mallory.poll(t.Context()))
	limited := 0
	for range 25 {
		a, err := s.exchange(request("POST", "/live", payload, withCookie(mallory.sig)))
		switch {
		case err != nil || a.status != 200 && a.status != 429:
			t.Fatalf("%+v %v", a, err)
		case a.status == 429:
			limited++
			if a.header.Get("Retry-After") == "" || !strings.Contains(a.detail(), "slow down") {
				t.Errorf("%+v", a)
			}
		}
	}
	if n := len(s.calls("mallory")); limited < 4 || n+limited != 25 {
		t.Errorf("%d handled, %d refused", n, limited)
	}
	if err := mallory.post(t.Context(), payload); err == nil || !strings.HasPrefix(err.Error(), "429") {
		t.Errorf("a batch: %v", err)
	}
	vera.fine("at the end")
}

// D5: the query of a request is not kept with the reader's name.
func TestD5LongQueries(t *testing.T) {
	const n, long = 200, 500 << 10
	s := newSite(t, setup{transport: transport.Options{Poll: poll.Options{Pause: time.Millisecond}}})
	vera, mallory := s.visitor("vera", client.SSE), s.probe("mallory")
	vera.fine("before")
	before := measure()
	for i := range n {
		who := mallory.sig // all are readers of one session
		if i%2 == 0 {
			who = "" // each has its own session
		}
		target := fmt.Sprintf("/live?_wait=0&_cid=reader-%020d&x=%s", i, strings.Repeat("x", long))
		a, err := s.exchange(request("GET", target, "", accept, withCookie(who)))
		if err != nil || a.status != 200 {
			t.Fatalf("%+v %v", a, err)
		}
	}
	vera.fine("at the end")
	var more int64
	for end := time.Now().Add(patience); time.Now().Before(end); pause() {
		if more = measure().bytes - before.bytes; more < 4<<20 {
			return
		}
	}
	t.Errorf("%d requests of %d KiB: %d KiB are kept", n, long>>10, more>>10)
}
