package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

func limit() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 10*time.Second)
}

type mirage struct {
	near, far *session.Manager
	clients   []rueidis.Client
	stores    []*redis.Store
	stop      chan struct{}
	readers   sync.WaitGroup
}

func newMirage(addr string) engine {
	e := &mirage{stop: make(chan struct{})}
	node := func() *session.Manager {
		c := client(addr)
		s := redis.New(c, redis.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		e.clients, e.stores = append(e.clients, c), append(e.stores, s)
		return session.New(session.Options{Store: s, MaxMessages: 100, Overflow: store.OverflowDropOldest})
	}
	e.near, e.far = node(), node()
	return e
}

func id(i int) string { return fmt.Sprintf("%016x", i) }

func (e *mirage) publish(i int, data []byte) error {
	_, err := e.near.Send(context.Background(), id(i), store.Message{Data: data})
	return err
}

func (e *mirage) keep(i int) error {
	l, err := e.near.Attach(context.Background(),
		session.Attach{ID: id(i), Reader: "reader-of-22-characters", Wake: func() {}})
	if err == nil {
		l.Hello.Reason = ""
	}
	return err
}

func (e *mirage) subscribe(i int, arrived func()) error {
	woken := make(chan struct{}, 1)
	wake := func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	}
	l, err := e.far.Attach(context.Background(),
		session.Attach{ID: id(i), Reader: "reader-of-22-characters", Wake: wake})
	if err != nil {
		return err
	}

	e.readers.Go(func() {
		defer l.Close()
		var b session.Batch
		unheard := 0
		for {
			select {
			case <-woken:
			case <-e.stop:
				return
			}
			for more := true; more; more = b.More {
				if err := l.Take(context.Background(), &b); err != nil {
					break
				}
				for _, m := range b.Entries {
					arrived()
					if unheard++; unheard == 16 {
						unheard = 0
						_ = l.Ack(context.Background(), store.Position{Epoch: b.Epoch, Seq: m.Seq, Tag: m.Tag})
					}
				}
			}
		}
	})

	return nil
}

func (e *mirage) close() {
	close(e.stop)
	e.readers.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // do not wait for the sessions that keep opened
	_ = e.near.Shutdown(ctx)
	_ = e.far.Shutdown(ctx)
	for i := range e.stores {
		e.stores[i].Close()
		e.clients[i].Close()
	}
}
