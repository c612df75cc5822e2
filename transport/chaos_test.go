package transport_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/session"
)

// X1, D7, U1: clients that change their transport all the time, over networks that are
// cut by FIN, RST and black hole every few milliseconds, with traffic both ways:
// everything once and in order at both ends. Two of them check what the server sends on
// each link, too.
func TestX1Chaos(t *testing.T) {
	s := started(t, setup{session: session.Options{Rate: -1}})
	var all sync.WaitGroup
	for i := range 8 {
		random := rand.New(rand.NewPCG(1, uint64(i)))
		if i < 6 {
			all.Go(func() { suffer(t, s, random) })
		} else {
			all.Go(func() { sufferOnTheWire(t, s, random) })
		}
	}
	all.Wait()
}

// storm lets a network fail at random until ctx ends.
func storm(ctx context.Context, proxy *miragetest.Proxy, random *rand.Rand) {
	defer proxy.Heal()
	for ctx.Err() == nil {
		switch random.IntN(4) {
		case 0:
			proxy.Cut(miragetest.FIN)
		case 1:
			proxy.Cut(miragetest.RST)
		case 2:
			proxy.CutAfter(miragetest.Down, random.IntN(2000), miragetest.RST)
		case 3:
			proxy.Hole()
			time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
			proxy.Heal()
		}
		time.Sleep(time.Duration(random.IntN(40)) * time.Millisecond)
	}
}

// suffer lets one client exchange messages with the application for two seconds of random
// faults, and then without faults. A change of the transport is what tells it of a black
// hole.
func suffer(t *testing.T, s *site, random *rand.Rand) {
	proxy := miragetest.NewProxy(t, s.srv.URL)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, _, err := s.connect(ctx, proxy.URL()+"/live", client.Options{MaxDelay: 20 * time.Millisecond})
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close(ctx)
	changing, stop := context.WithCancel(ctx)
	defer stop()
	bad, good := context.WithTimeout(ctx, 2*time.Second)
	defer good()
	var work sync.WaitGroup
	work.Go(func() { keepChanging(changing, c) })
	work.Go(func() { storm(bad, proxy, random) })

	var want []string
	work.Go(func() {
		for tick := time.NewTicker(5 * time.Millisecond); bad.Err() == nil; <-tick.C {
			text := fmt.Sprint("m", len(want))
			want = append(want, text)
			if err := c.Send(ctx, client.Message{Data: []byte(text)}); err != nil {
				t.Errorf("Send: %v", err)
			}
		}
		if err := c.Send(ctx, client.Message{Data: []byte(lastText)}); err != nil {
			t.Errorf("Send: %v", err)
		}
	})

	var got []string
	for { // each comes down again
		one, err := receive(ctx, c, 1)
		if err != nil {
			t.Errorf("after %d messages: %v", len(got), err)
			break
		}
		if got = append(got, one...); one[0] == lastText {
			break
		}
	}
	stop()
	work.Wait()
	want = append(want, lastText)
	if calls := s.calls.calls(c.ID()); !slices.Equal(got, want) || !slices.Equal(calls, want) {
		t.Errorf("the client has %q, the application %q; want %d", got, calls, len(want))
	}
	t.Logf("%d messages each way", len(want))
}

// sufferOnTheWire is suffer with a peer.
func sufferOnTheWire(t *testing.T, s *site, random *rand.Rand) {
	proxy := miragetest.NewProxy(t, s.srv.URL)
	c := s.client(nil)
	c.Timeout = 500 * time.Millisecond // a client's own patience: nothing else tells it of a black hole
	p := newPeer(proxy.URL()+"/live", c)
	p.begin((*peer).keepSwitching)

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var bad sync.WaitGroup
	bad.Go(func() { storm(ctx, proxy, random) })

	var want []string
	for ctx.Err() == nil && p.ok() {
		text := fmt.Sprint("m", len(want))
		want = append(want, text)
		p.send(text) // and it comes down again
	}

	bad.Wait()
	p.has(len(want))
	p.stop()
	p.report(t)
	if calls := s.calls.calls(p.hello.ID); !slices.Equal(p.got, want) || !slices.Equal(calls, want) {
		t.Errorf("the peer has %q, the application %q; want %d", p.got, calls, len(want))
	}
	t.Logf("%d messages each way, %d links, %d retries, %d seen twice", len(want), p.hellos, p.retries, p.twice)
}

// U1, L1: a client that sends faster than it may is told when to retry. Nothing that it
// resends is lost, doubled or out of order.
func TestU1RateRecovers(t *testing.T) {
	var app inbox
	inWorld(t, setup{session: session.Options{OnMessage: app.onMessage}}, func(w *world) {
		tab := w.browser().tab()
		tab.poll("25")

		var want []string
		refused := 0
		for i := range 10 {
			var batch []string
			for j := range 60 {
				n := i*60 + j + 1
				batch, want = append(batch, fmt.Sprintf("%d:m%d", n, n)), append(want, fmt.Sprint("m", n))
			}

			for {
				a := tab.post(batch...)
				if a.status == 200 {
					break
				}
				if refused++; a.status != 429 || a.header.Get("Retry-After") != "1" || refused > 60 {
					t.Fatalf("%d %s", a.status, a.body)
				}
				time.Sleep(time.Second)
				tab.poll("0") // the link lives
			}
		}

		app.has(w, want...)
		if refused == 0 {
			t.Error("never refused")
		}
		synctest.Wait()
	})
}
