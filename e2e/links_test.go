package e2e

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/mirage-go/mirage/store"
)

// links is a Store that counts the open links of its sessions.
type links struct {
	store.Store
	mu    sync.Mutex
	turns map[store.LinkRef]uint64 // by the link, with its turn set to zero
}

func (l *links) Open(
	ctx context.Context, id string, a store.Asked, create bool, b store.Bounds,
) (store.Log, bool, error) {
	log, created, err := l.Store.Open(ctx, id, a, create, b)
	if err != nil {
		return nil, false, err
	}
	return countedLog{log, l}, created, nil
}

// names returns the readers that have a link, once for each of their links.
func (l *links) names() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var names []string
	for ref := range maps.Keys(l.turns) {
		names = append(names, ref.Reader)
	}
	slices.Sort(names)
	return names
}

type countedLog struct {
	store.Log
	links *links
}

func (c countedLog) Attach(ctx context.Context, claim store.Claim) (store.Attached, error) {
	c.links.mu.Lock() // no Detach of the link may come in between
	defer c.links.mu.Unlock()
	a, err := c.Log.Attach(ctx, claim)
	if err == nil {
		c.links.turns[store.LinkRef{Reader: a.Link.Reader, Number: a.Link.Number}] = a.Link.Turn
	}
	return a, err
}

func (c countedLog) Detach(ctx context.Context, ref store.LinkRef) (uint64, error) {
	c.links.mu.Lock()
	link := store.LinkRef{Reader: ref.Reader, Number: ref.Number}
	if ref.Turn == 0 || c.links.turns[link] == ref.Turn { // otherwise another request carries it on
		delete(c.links.turns, link)
	}
	c.links.mu.Unlock()
	return c.Log.Detach(ctx, ref)
}
