package client_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
)

// C1: a program is killed again and again, before or after it has handled a message. The
// next one continues with what was stored: nothing is missing, what comes twice is
// marked, and what was sent is handled once. MIRAGE_CHAOS is the
// number of runs, 6 if it is not set.
func TestC1Crashes(t *testing.T) {
	for seed := range runs(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { crashes(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

// A process is a client that can be killed.
type process struct {
	*client.Client
	store *fixed
	dead  atomic.Bool
	conns sync.Map
}

// spawn starts a client with a state.
func (s *site) spawn(state []byte, transport string) *process {
	s.Helper()
	p := &process{store: keep(state)}
	h := s.http()
	dial := h.Transport.(*http.Transport).DialContext
	h.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		p.conns.Store(conn, true)
		if p.dead.Load() {
			conn.Close()
		}
		return conn, nil
	}
	p.Client = s.connect(client.Options{
		HTTPClient: h, Transports: []string{transport}, AskSigned: true, Persist: p.store, MaxDelay: 5 * time.Second,
	})
	return p
}

// kill cuts the client off, and returns what it had stored.
func (p *process) kill() []byte {
	p.dead.Store(true)
	p.conns.Range(func(conn, _ any) bool {
		conn.(net.Conn).Close()
		return true
	})
	state, _ := p.store.Load(context.Background())
	return state
}

func crashes(t *testing.T, random *rand.Rand) {
	s := newSite(t, openTopics())
	defer s.stop()
	const n = 60
	p := s.spawn(nil, transports[random.IntN(3)])
	id := p.ID()

	var session, news []string
	sent := 0
	var work sync.WaitGroup
	work.Go(func() {
		time.Sleep(time.Second)
		for _, text := range numbers(0, n) {
			if _, err := s.live.Send(s.Context(), id, mirage.Text(text)); err != nil {
				t.Error(err)
			}
			s.publish("news", text)
			time.Sleep(500 * time.Millisecond)
		}
	})

	for round := 0; len(session) < n || len(news) < n || sent < 20; round++ {
		if round == 100 {
			break // too many: something is missing
		}
		room := s.join(p.Client, "news", client.JoinOptions{})
		limit := 1 + random.IntN(15)
		for _, source := range []struct {
			got  *[]string
			loop func(context.Context) func(func(client.Message, error) bool)
		}{
			{&session, func(ctx context.Context) func(func(client.Message, error) bool) { return p.Messages(ctx) }},
			{&news, func(ctx context.Context) func(func(client.Message, error) bool) { return room.Messages(ctx) }},
		} {
			ctx, cancel := context.WithTimeout(s.Context(), 5*time.Second)
			count := 0
			for m, err := range source.loop(ctx) {
				if err != nil {
					if ctx.Err() == nil {
						t.Errorf("the loop: %v", err)
					}
					break
				}
				if text := string(m.Data); !m.Again || !slices.Contains(*source.got, text) {
					*source.got = append(*source.got, text)
				}
				if count++; count == limit {
					if random.IntN(2) == 0 {
						m.Ack()
					}
					break
				}
			}
			cancel()
		}
		if sent < 20 {
			s.say(p.Client, fmt.Sprint(sent))
			sent++
			time.Sleep(time.Second) // it is stored
		}
		state := p.kill()
		time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
		p = s.spawn(state, transports[random.IntN(3)])
		if p.ID() != id {
			t.Fatalf("the id was %q and is %q", id, p.ID())
		}
	}
	work.Wait()
	equal(t, session, numbers(0, n)...)
	equal(t, news, numbers(0, n)...)
	time.Sleep(time.Minute)
	s.has(numbers(0, sent)...)
}
