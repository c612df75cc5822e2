package redis

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/store"
)

var _ store.Inspector = (*Store)(nil)

// inspectPage is how many sessions one step describes. It takes Redis less than a
// millisecond.
const inspectPage = 32

// Usage implements store.Inspector.
func (s *Store) Usage(ctx context.Context) (store.Usage, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	u := store.Usage{Topics: -1}
	cmds := make(rueidis.Commands, shards)
	for i := range cmds {
		cmds[i] = s.client.B().Hlen().Key(s.base[i] + ":h").Build()
	}
	for _, r := range s.client.DoMulti(ctx, cmds...) {
		n, err := r.AsInt64()
		if err != nil {
			return u, fmt.Errorf("redis: counting the sessions: %w", err)
		}
		u.Sessions += int(n)
	}
	u.Bytes, u.Budget = s.memory(ctx)
	return u, nil
}

// memory returns how much memory Redis uses, and its maxmemory: the sums over all servers
// that are no replicas. Each is -1 if some server does not say, or has no maxmemory.
func (s *Store) memory(ctx context.Context) (used, most int64) {
	for _, server := range s.client.Nodes() {
		info, err := server.Do(ctx, server.B().Info().Build()).ToString()
		if err != nil {
			return -1, -1
		}
		has := fieldsOf(info)
		if has["role"] == "slave" {
			continue
		}
		n, err := strconv.ParseInt(has["used_memory"], 10, 64)
		if err != nil {
			return -1, -1
		}
		used += n
		if n, _ = strconv.ParseInt(has["maxmemory"], 10, 64); n <= 0 || most < 0 {
			most = -1
		} else {
			most += n
		}
	}
	return used, most
}

// InspectSessions implements store.Inspector. It reads the index, shard by shard and in
// pages, so that Redis serves others in between.
func (s *Store) InspectSessions(ctx context.Context) iter.Seq2[store.SessionSummary, error] {
	return func(yield func(store.SessionSummary, error) bool) {
		for shard := range shards {
			seen := make(map[string]bool)
			for cursor, first := uint64(0), true; first || cursor != 0; first = false {
				var epochs []string
				var err error
				if epochs, cursor, err = s.epochs(ctx, shard, cursor); err != nil {
					yield(store.SessionSummary{}, err)
					return
				}
				epochs = slices.DeleteFunc(epochs, func(e string) bool {
					twice := seen[e]
					seen[e] = true
					return twice
				})
				for page := range slices.Chunk(epochs, inspectPage) {
					a, err := s.run(ctx, shard, "inspect", append([]string{"list"}, page...)...)
					if err != nil {
						yield(store.SessionSummary{}, err)
						return
					}
					for is := range slices.Chunk(a.list(1), summaryFields) {
						if !yield(summaryOf(is), nil) {
							return
						}
					}
				}
			}
		}
	}
}

// epochs returns one page of the index of a shard.
func (s *Store) epochs(ctx context.Context, shard int, cursor uint64) (all []string, next uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	scan := s.client.B().Zscan().Key(s.base[shard] + ":x").Cursor(cursor).Count(inspectPage).Build()
	page, err := s.client.Do(ctx, scan).AsScanEntry()
	if err != nil {
		return nil, 0, fmt.Errorf("redis: listing the sessions: %w", err)
	}
	for i := 0; i+1 < len(page.Elements); i += 2 { // member, score
		all = append(all, page.Elements[i][:min(epochLen, len(page.Elements[i]))])
	}
	return all, page.Cursor, nil
}

// summaryFields is how many values inspect.lua returns of a session in a list.
const summaryFields = 6

func summaryOf(f []string) (is store.SessionSummary) {
	if len(f) < summaryFields {
		return is
	}
	return store.SessionSummary{
		ID: unescape(f[0]), Messages: int(number(f[1])), Bytes: number(f[2]),
		Readers: int(number(f[3])), Links: int(number(f[4])), Idle: ms(max(0, number(f[5]))),
	}
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

// inspect runs a step for the session id, and returns its epoch, too.
func (s *Store) inspect(ctx context.Context, what, id string, args ...string) (a answer, epoch uint64, err error) {
	s.reports.flushID(ctx, id)
	name := escape(id)
	err = s.bounded(ctx, func(ctx context.Context) error {
		get := s.client.B().Hget().Key(s.base[shardOf(name)] + ":i").Field(name).Build()
		place, err := s.client.Do(ctx, get).ToString()
		if rueidis.IsRedisNil(err) {
			return store.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("redis: finding the session: %w", err)
		}
		if epoch, err = strconv.ParseUint(epochOf(place), 16, 64); err != nil {
			return errAnswer
		}
		a, err = s.run(ctx, shardOfPlace(place), "inspect", append([]string{what, epochOf(place), name}, args...)...)
		return err
	})
	return a, epoch, err
}

// InspectSession implements store.Inspector.
func (s *Store) InspectSession(ctx context.Context, id string) (store.SessionDetail, error) {
	a, epoch, err := s.inspect(ctx, "one", id)
	if err != nil {
		return store.SessionDetail{}, err
	}

	d := store.SessionDetail{
		SessionSummary: summaryOf(a.list(1)), Epoch: epoch, First: a.seq(2), Top: a.seq(3), Mark: a.seq(4),
		Bounds: boundsOf(a.list(5)), Writers: int(a.num(7)), Topics: a.list(8),
	}
	const fields = 6
	for r := range slices.Chunk(a.list(6), fields) {
		if len(r) < fields {
			return d, errAnswer
		}
		d.ReaderDetails = append(d.ReaderDetails, store.ReaderDetail{
			Reader: unescape(r[0]), Plain: r[1] == "1", Links: int(number(r[2])),
			Acked: uint64(number(r[3])), Sent: uint64(number(r[4])), Away: ms(max(0, number(r[5]))),
		})
	}
	slices.SortFunc(d.ReaderDetails, func(a, b store.ReaderDetail) int { return cmp.Compare(a.Reader, b.Reader) })
	slices.Sort(d.Topics)
	d.Topics = slices.Compact(d.Topics)
	return d, nil
}

// boundsOf decodes the bounds of a session, in the order of Open.
func boundsOf(f []string) (b store.Bounds) {
	if len(f) < 9 {
		return b
	}
	return store.Bounds{
		MaxMessages: int(number(f[0])), MaxBytes: number(f[1]), Overflow: store.Overflow(number(f[2])),
		Retention: ms(number(f[3])), MaxLinks: int(number(f[4])), MaxReaders: int(number(f[5])),
		MaxWriters: int(number(f[6])), Quiet: ms(number(f[7])), Stall: ms(number(f[8])),
	}
}

// SessionMessages implements store.Inspector.
func (s *Store) SessionMessages(ctx context.Context, id string, after uint64, max int) ([]store.Entry, error) {
	most := min(max, store.MaxInspected)
	if most < 0 {
		most = 0
	}
	a, _, err := s.inspect(ctx, "messages", id, decimal(after), strconv.Itoa(most))
	if err != nil {
		return nil, err
	}
	var all []store.Entry
	for e := range slices.Chunk(a.list(1), 2) {
		if len(e) < 2 {
			return all, errAnswer
		}
		entry, err := decode(uint64(number(e[0])), e[1])
		if err != nil {
			return all, err
		}
		all = append(all, entry)
	}
	return all, nil
}
