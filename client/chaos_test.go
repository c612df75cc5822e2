package client_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/client"
)

// C1: everything at once, at random: cuts, black holes, switches, pauses of the loop and
// of the client, links that end by themselves. Each message arrives once and in order.
//
// MIRAGE_CHAOS is the number of runs, 10 if it is not set.
func TestC1Chaos(t *testing.T) {
	for seed := range runs(10) {
		synctest.Test(t, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("with the seed %d", seed)
				}
			}()
			chaos(t, rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

// runs is the number of runs of a randomised test.
func runs(initial uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv("MIRAGE_CHAOS"), 10, 32); err == nil {
		return n
	}
	return initial
}

// chaos lasts for some minutes.
func chaos(t *testing.T, random *rand.Rand) {
	o := openTopics()
	o.LinkAge, o.CookieAge = 30*time.Second, time.Hour
	o.Retention = time.Hour
	o.LinkRate = -1
	s := newSite(t, o)
	defer s.stop()
	h, conns := new(hole), new(sync.Map)
	s.dial = func(conn net.Conn) net.Conn {
		conns.Store(conn, true)
		return newHoleConn(conn, h)
	}
	c := s.connect(client.Options{MaxWaiting: 1 + random.IntN(30), MaxDelay: 5 * time.Second})
	doc := s.join(c, "doc", client.JoinOptions{})
	news := s.join(c, "news", client.JoinOptions{})

	// The sources.
	const n = 80
	var work sync.WaitGroup
	pause := func(random *rand.Rand, most time.Duration) { time.Sleep(time.Duration(random.Int64N(int64(most)))) }
	each := func(f func(text string)) {
		random := rand.New(rand.NewPCG(random.Uint64(), 1))
		work.Go(func() {
			for _, text := range numbers(0, n) {
				f(text)
				pause(random, 3*time.Second)
			}
		})
	}
	each(func(text string) { s.send(c, text) })
	each(func(text string) { s.publish("news", text) })
	each(func(text string) { s.say(c, text) })
	growing := s.live.Topic("doc").Stream(s.Context(), "answer", "a")
	var want strings.Builder
	writing := rand.New(rand.NewPCG(random.Uint64(), 4))
	work.Go(func() {
		for _, text := range numbers(0, n) {
			want.WriteString(text + " ")
			io.WriteString(growing, text+" ")
			pause(writing, 3*time.Second)
		}
		growing.Close()
	})

	// The faults.
	faults := rand.New(rand.NewPCG(random.Uint64(), 2))
	work.Go(func() {
		for range 60 {
			time.Sleep(time.Duration(faults.IntN(3000)) * time.Millisecond)
			switch faults.IntN(8) {
			case 0:
				h.set(true)
				time.Sleep(time.Duration(faults.IntN(60)) * time.Second)
				h.set(false)
			case 1, 2:
				ctx, cancel := context.WithTimeout(s.Context(), 5*time.Second)
				_ = c.Use(ctx, transports[faults.IntN(3)])
				cancel()
			case 3:
				c.Disconnect()
				time.Sleep(time.Duration(faults.IntN(5)) * time.Second)
				ctx, cancel := context.WithTimeout(s.Context(), time.Second)
				_ = c.Connect(ctx)
				cancel()
			default:
				conns.Range(func(conn, _ any) bool {
					conn.(net.Conn).Close()
					conns.Delete(conn)
					return true
				})
			}
		}
	})

	// The loops.
	slow := rand.New(rand.NewPCG(random.Uint64(), 3))
	work.Go(func() { equal(t, take(t, news.Messages, n), numbers(0, n)...) })
	work.Go(func() {
		whole, done := "", false
		ctx, cancel := context.WithTimeout(s.Context(), time.Hour)
		defer cancel()
		for m, err := range doc.Messages(ctx) {
			if err != nil {
				t.Errorf("the document: %v", err)
				return
			}
			if whole, done = string(m.Whole), m.Done; done {
				break
			}
		}
		if whole != want.String() {
			t.Errorf("the document is %q, want %q", whole, want.String())
		}
	})
	var got []string
	ctx, cancel := context.WithTimeout(s.Context(), time.Hour)
	defer cancel()
	for m, err := range c.Messages(ctx) {
		if err != nil {
			t.Errorf("the loop: %v", err)
			break
		}
		if got = append(got, string(m.Data)); len(got) == n {
			m.Ack()
			break
		}
		if slow.IntN(10) == 0 {
			time.Sleep(time.Duration(slow.IntN(40)) * time.Second)
		}
	}
	equal(t, got, numbers(0, n)...)
	work.Wait()
	time.Sleep(5 * time.Minute)
	s.has(numbers(0, n)...)
	if n := c.Queued(); n > 0 {
		t.Error(fmt.Sprint(n, " messages are not accepted"))
	}
}
