package redis_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// A log that is bounded refuses nothing for want of acknowledgements that its links'
// nodes have and have not told yet.
func TestR4FullLogWaitsForAcknowledgements(t *testing.T) {
	t.Parallel()
	_, a, b := pairOfNodes(t, redis.Options{}, redis.Options{})
	bounds := roomy
	bounds.MaxMessages = 8
	near, _, err := a.Open(ctx, "a", store.Asked{}, true, bounds)
	if err != nil {
		t.Fatal(err)
	}
	f := attachFar(t, b, near, store.Claim{Reader: "r"})
	if err := f.log.Ack(ctx, f.at.Link, store.Position{}); err != nil { // the first on the link
		t.Fatal(err)
	}
	f.got = []store.Entry{{Seq: f.cursor()}}

	for i := range 200 {
		put(t, near, fmt.Sprint(i)) // which fails if it is refused
		f.until(near, fmt.Sprint(i))
		if err := f.log.Ack(ctx, f.at.Link, f.position()); err != nil {
			t.Fatalf("Ack: %v", err)
		}
	}
}

// Acknowledgements are told in groups, and a link's last ones before it ends.
func TestR4AcknowledgementsAreTold(t *testing.T) {
	t.Parallel()
	server, a, b := pairOfNodes(t, redis.Options{}, redis.Options{})
	near := open(t, a, "a")
	f := attachFar(t, b, near, store.Claim{Reader: "r"})
	put(t, near, "first")
	f.until(near, "first")
	if err := f.log.Ack(ctx, f.at.Link, f.position()); err != nil {
		t.Fatal(err)
	}
	f.got = f.got[len(f.got)-1:]
	for range 2 { // the first on the link has woken it
		put(t, near, "next")
		f.until(near, "next")
	}

	before := server.calls()
	const all = 50
	for i := range all {
		put(t, near, fmt.Sprint(i))
		f.until(near, fmt.Sprint(i))
		if err := f.log.Ack(ctx, f.at.Link, f.position()); err != nil {
			t.Fatal(err)
		}
	}
	if n := server.calls() - before; n > all*3/2 {
		t.Errorf("%d acknowledgements took %d scripts", all, n-all)
	}
	until(t, "they are told", func() bool {
		readers, _, err := near.Behind(ctx, 0)
		return err == nil && readers == 0
	})

	put(t, near, "last")
	f.until(near, "last")
	if err := f.log.Ack(ctx, f.at.Link, f.position()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.log.Detach(ctx, f.at.Link); err != nil {
		t.Fatal(err)
	}
	if e, err := a.End(ctx, "a", 0); err != nil || len(e.Messages) > 0 {
		t.Errorf("%d acknowledged messages were not told when the link ended, %v", len(e.Messages), err)
	}
}

// What a link was sent from its node's tail counts as sent when it ends, on all nodes.
func TestR4DetachTellsWhatWasSent(t *testing.T) {
	t.Parallel()
	_, a, b := pairOfNodes(t, redis.Options{}, redis.Options{})
	near := open(t, a, "a")
	f := attachFar(t, b, near, store.Claim{Reader: "p", Plain: true})
	put(t, near, "sent")
	f.until(near, "sent")
	top := f.cursor()
	if _, err := f.log.Detach(ctx, f.at.Link); err != nil {
		t.Fatal(err)
	}
	put(t, near, "not sent")
	at, err := near.Attach(ctx, store.Claim{Reader: "q", Plain: true})
	if err != nil || at.Position.Seq != top || at.Sent != top {
		t.Errorf("the next plain reader begins after %d, sent %d, %v; want %d", at.Position.Seq, at.Sent, err, top)
	}
}

// What was sent is told although the link stays.
func TestR4WhatWasSentIsToldSoon(t *testing.T) {
	t.Parallel()
	_, a, b := pairOfNodes(t, redis.Options{}, redis.Options{SafetyRead: time.Hour})
	near := open(t, a, "a")
	f := attachFar(t, b, near, store.Claim{Reader: "p", Plain: true})
	put(t, near, "sent")
	f.until(near, "sent")
	until(t, "it is told", func() bool {
		at, err := near.Attach(ctx, store.Claim{Reader: "q", Plain: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := near.Detach(ctx, at.Link); err != nil {
			t.Fatal(err)
		}
		return at.Sent == f.cursor()
	})
}

// A message for one reader, and one with Key, are not refused either while what was
// acknowledged is still to be told, by this node or another one.
func TestR4SpecialMessagesWaitForAcknowledgements(t *testing.T) {
	t.Parallel()
	_, a, b := pairOfNodes(t, redis.Options{}, redis.Options{})
	for name, of := range map[string]*redis.Store{"near": a, "far": b} {
		for what, last := range map[string]struct {
			m      store.Message
			reader string
		}{
			"for one reader": {store.Message{}, "r"},
			"with Key":       {store.Message{Key: "k"}, ""},
		} {
			t.Run(what+"/"+name, func(t *testing.T) {
				t.Parallel()
				bounds := roomy
				bounds.MaxBytes = 1000
				near, _, err := a.Open(ctx, t.Name(), store.Asked{}, true, bounds)
				if err != nil {
					t.Fatal(err)
				}
				f := attachFar(t, of, near, store.Claim{Reader: "r"})
				for _, s := range []string{"1", "2", "3"} { // the first acknowledgement is told at once
					text := s + strings.Repeat("x", 200)
					put(t, near, text)
					f.until(near, text)
					if err := f.log.Ack(ctx, f.at.Link, f.position()); err != nil {
						t.Fatal(err)
					}
				}
				m := last.m
				m.Data = make([]byte, 800)
				if _, err := near.Append(ctx, &m, last.reader); err != nil {
					t.Errorf("Append: %v", err)
				}
			})
		}
	}
}
