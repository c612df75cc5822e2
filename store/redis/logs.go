package redis

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/store"
)

// Logs implements store.Store. It reads the index, in which a session keeps its place
// when its id changes.
func (s *Store) Logs(ctx context.Context) iter.Seq2[store.Log, error] {
	return func(yield func(store.Log, error) bool) {
		seen := make(map[string]struct{})
		b := new(broadcast)
		var cursors [shards]uint64
		left := make([]int, shards)
		for i := range left {
			left[i] = i
		}

		for len(left) > 0 {
			page, err := s.scan(ctx, left, &cursors)
			if err != nil {
				yield(nil, err)
				return
			}
			left = slices.DeleteFunc(left, func(shard int) bool { return cursors[shard] == 0 })

			for _, member := range page {
				epoch := member[:min(epochLen, len(member))]
				if _, twice := seen[epoch]; twice {
					continue
				}
				seen[epoch] = struct{}{}

				l, err := newAnyLog(s, member, b)
				if err != nil {
					yield(nil, err)
					return
				}
				if !yield(l, nil) {
					return
				}
			}
		}
	}
}

// scan reads one page of the index of each of the given shards, in one round trip.
func (s *Store) scan(ctx context.Context, some []int, cursors *[shards]uint64) (members []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()

	cmds := make(rueidis.Commands, len(some))
	for i, shard := range some {
		cmds[i] = s.client.B().Zscan().Key(s.base[shard] + ":x").Cursor(cursors[shard]).Count(256).Build()
	}

	for i, r := range s.client.DoMulti(ctx, cmds...) {
		page, err := r.AsScanEntry()
		if err != nil {
			return nil, fmt.Errorf("redis: listing the sessions: %w", err)
		}
		cursors[some[i]] = page.Cursor
		for n := 0; n+1 < len(page.Elements); n += 2 { // member, score
			members = append(members, page.Elements[n])
		}
	}

	return members, nil
}

// broadcast gives a message the same tag in all logs. If one session is joined to
// another, the copies are recognized by it.
//
// A message with Key or TTL counts everywhere as sent when the first log took it.
type broadcast struct {
	mu      sync.Mutex
	encoded map[*store.Message]encoded
}

type encoded struct {
	entry string
	tag   uint32
	sent  bool // entry says when it was sent
}

// encodedMax is how many messages of one broadcast are remembered.
const encodedMax = 16

func (b *broadcast) encode(m *store.Message) (entry string, tag uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.encoded[m]
	if !ok {
		if b.encoded == nil || len(b.encoded) >= encodedMax {
			b.encoded = make(map[*store.Message]encoded)
		}
		e.entry, e.tag = encode(m, "")
		b.encoded[m] = e
	}
	return e.entry, e.tag
}

// took notes when the first log took a message with Key or TTL.
func (b *broadcast) took(m *store.Message, sent int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e, ok := b.encoded[m]; ok && !e.sent && isSpecial(e.entry) && sent > 0 {
		e.entry, e.sent = sentAt(e.entry, sent), true
		b.encoded[m] = e
	}
}

// anyLog is a log that Logs returns. It is valid whatever the session's id is, and only
// for Append.
type anyLog struct {
	*log
	b  *broadcast
	id atomic.Pointer[string]
}

func newAnyLog(s *Store, member string, b *broadcast) (*anyLog, error) {
	if len(member) <= epochLen {
		return nil, errAnswer
	}
	l, err := newLog(s, "", member[:epochLen])
	if err != nil {
		return nil, err
	}
	id := unescape(member[epochLen+1:])
	a := &anyLog{log: l, b: b}
	a.id.Store(&id)
	return a, nil
}

// ID implements store.Log.
func (l *anyLog) ID() string { return *l.id.Load() }

// Append implements store.Log.
func (l *anyLog) Append(ctx context.Context, m *store.Message, reader string) (store.Position, error) {
	entry, tag := l.b.encode(m)
	if reader != "" {
		entry, tag = encode(m, escape(reader))
	}

	for range patience {
		p, a, err := l.append(ctx, m, reader, entry, tag)
		switch a.text(0) {
		case "full":
			id := unescape(a.text(1))
			l.id.Store(&id)
		case "frozen": // it is being joined to another session; if that has ended, this one goes on
			if _, err := l.s.forward(ctx, l.hex, 0); err != nil {
				return store.Position{}, err
			}
			continue
		case "ok":
			if reader == "" {
				l.b.took(m, a.num(2))
			}
		}
		return p, err
	}

	return store.Position{}, errRestless
}
