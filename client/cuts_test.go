package client_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
)

// C1: one connection of an exchange is cut at every offset, in both directions, on each
// transport. At both ends there is the exact sequence, each message once.
//
// Every 29th offset is cut, unless MIRAGE_CUTS=all.
func TestC1CutAnywhere(t *testing.T) {
	step := 29
	if os.Getenv("MIRAGE_CUTS") == "all" {
		step = 1
	}
	for i, transport := range transports {
		for j, up := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s up=%v", transport, up), func(t *testing.T) {
				cuts := 0
				for n := (i + j) % step; ; n += step {
					c := &cutter{up: up, left: n}
					synctest.Test(t, func(t *testing.T) { exchange(t, transport, c) })
					if t.Failed() {
						t.Fatalf("cut after %d bytes", n)
					}
					if c.left >= 0 {
						break
					}
					cuts++
				}
				t.Logf("%d cuts", cuts)
			})
		}
	}
}

// exchange lets a new client and a new server exchange messages through a cutter.
func exchange(t *testing.T, transport string, cut *cutter) {
	s := newSite(t, mirage.Options{
		OnMessage: func(ctx context.Context, session *mirage.Session, in mirage.Incoming) error {
			_, err := session.Send(ctx, in.Message)
			return err
		},
	})
	defer s.stop()
	s.dial = func(conn net.Conn) net.Conn { return cutConn{conn, cut} }

	c := s.connect(client.Options{Transports: []string{transport}})
	want := []string{"good", "day"}
	s.send(c, want...)
	for i := range 10 {
		text := fmt.Sprint("m", i)
		want = append(want, text)
		if err := c.Send(s.Context(), client.Message{Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
		if i%4 == 0 {
			time.Sleep(time.Second)
		}
	}
	equal(t, take(t, c.Messages, len(want)), want...)

	time.Sleep(time.Minute)
	if n := c.Queued(); n > 0 {
		t.Errorf("%d messages are not accepted", n)
	}
	s.nothing(c)
}
