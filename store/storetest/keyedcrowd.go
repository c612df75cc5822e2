package storetest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mirage-go/mirage/store"
)

// keyedCrowd lets writers update keys, each its own, while readers read, are cut, and
// acknowledge.
func keyedCrowd(e *env) {
	const writers, readers = 4, 6
	updates := 50
	if e.bubble {
		updates = 1000
	}

	l := e.openLog("a", messages(writers))
	var done atomic.Bool
	var writing, reading sync.WaitGroup
	for r := range readers {
		k := l.attach(fmt.Sprint("r", r)) // before there is anything that it could miss
		reading.Go(func() {
			if err := keyedReader(k, &done, writers, updates); err != nil {
				e.Error(err)
			}
		})
	}
	for w := range writers {
		writing.Go(func() {
			for i := range updates {
				m := store.Message{Key: fmt.Sprint(w), Data: fmt.Append(nil, w, " ", i)}
				if _, err := l.Append(ctx, &m, ""); err != nil {
					e.Errorf("Append: %v", err)
				}
			}
		})
	}
	writing.Wait()
	done.Store(true)
	reading.Wait()
}

// keyedReader reads until it has read everything after done.
func keyedReader(k *link, done *atomic.Bool, writers, updates int) error {
	l, name, at := k.Log(), k.Link.Reader, k.Position
	latest := make([]int, writers)
	for {
		over := done.Load()
		a, err := l.Attach(ctx, store.Claim{Reader: name, Given: store.GivenPresented, Position: at})
		if err != nil || !a.Resumed {
			return fmt.Errorf("%s: Attach at %v = %+v, %v", name, at, a, err)
		}

		entries, tail, err := l.Read(ctx, a.Link, at.Seq, 1<<20, nil)
		if err != nil || !tail.Gap.IsZero() {
			return fmt.Errorf("%s: Read after %v: gap %v, %w", name, at, tail.Gap, err)
		}
		for _, entry := range entries {
			if entry.Seq <= at.Seq {
				return fmt.Errorf("%s: %d after %d", name, entry.Seq, at.Seq)
			}
			at = store.Position{Epoch: tail.Epoch, Seq: entry.Seq, Tag: entry.Tag}
			who, value, _ := strings.Cut(string(entry.Message.Data), " ")
			w, _ := strconv.Atoi(who)
			n, _ := strconv.Atoi(value)
			if n < latest[w] {
				return fmt.Errorf("%s: writer %d's value %d after %d", name, w, n, latest[w])
			}
			latest[w] = n
		}

		if rand.IntN(2) == 0 {
			if err := l.Ack(ctx, a.Link, at); err != nil {
				return fmt.Errorf("%s: Ack(%v): %w", name, at, err)
			}
		}
		if _, err := l.Detach(ctx, a.Link); err != nil {
			return fmt.Errorf("%s: Detach: %w", name, err)
		}
		if over && !tail.More {
			break
		}
	}

	for w, n := range latest {
		if n != updates-1 {
			return fmt.Errorf("%s: writer %d's last value is %d, want %d", name, w, n, updates-1)
		}
	}
	return nil
}
