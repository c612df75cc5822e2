package redis

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/session"
)

// Options configure a Store. The zero value is a working one.
type Options struct {
	// Prefix begins the name of every key; Stores with the same prefix share their sessions. It must not contain braces. Zero means "mirage".
	Prefix string
	// Timeout bounds every call, repeats included. Zero means 4s.
	Timeout time.Duration
	// SafetyRead is how often a session that is being watched is looked at in case pub/sub lost its wake-up. Zero means 5s.
	SafetyRead time.Duration
	// Lease is how long a link whose node says nothing still counts, so at least three of the Manager's heartbeats, and more than a poll
	// waits and is parked. A session whose nodes died ends its retention later than that. Zero means 90s.
	Lease time.Duration
	// Logger gets the warnings about Redis's configuration, and whenever Redis begins to fail and is well again, what to do about it. Nil means
	// slog.Default().
	Logger *slog.Logger
}

// Store is a session.Store in Redis; see the package's documentation. Make one with New. It is safe for concurrent use.
type Store struct {
	client rueidis.Client
	o      Options
	base   [shards]string // of all keys of a shard, with its hash tag
	node   string         // names this Store in what it publishes
	pub    string         // the command
	hub    hub
	claims claims
	outage outage
	cut    func() bool // tests only: the node dies before this step

	mu        sync.Mutex
	uncertain map[attempt]unknown // appends whose outcome is unknown
}

var _ session.Store = (*Store)(nil)

// New returns a Store on the caller's client, which the caller closes after the Store. It asks Redis about its configuration, for a second at most,
// and logs what is wrong with it; that Redis cannot be reached is no error here.
func New(client rueidis.Client, o Options) *Store {
	if o.Prefix == "" {
		o.Prefix = "mirage"
	}
	if o.Timeout == 0 {
		o.Timeout = 4 * time.Second
	}
	if o.SafetyRead == 0 {
		o.SafetyRead = 5 * time.Second
	}
	if o.Lease == 0 {
		o.Lease = 90 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	checkOptions(o)
	s := &Store{
		client: client, o: o, base: bases(o.Prefix), node: fmt.Sprintf("%016x", rand.Uint64()), pub: "PUBLISH",
		uncertain: make(map[attempt]unknown), claims: newClaims(),
	}
	if client.Mode() == rueidis.ClientModeCluster {
		s.pub = "SPUBLISH"
	}
	s.hub.init(s)
	s.warn()
	return s
}

// sharded tells whether pub/sub is, as in a Cluster.
func (s *Store) sharded() bool { return s.pub == "SPUBLISH" }

// Close ends the Store's goroutine and its pub/sub connections, and waits for them. It leaves sessions and client alone.
func (s *Store) Close() { s.hub.close() }

// escape makes an id, a reader's or a writer's name text that JSON keeps as it is.
func escape(s string) string { return url.PathEscape(s) }

func unescape(s string) string {
	u, err := url.PathUnescape(s)
	if err != nil {
		return s
	}
	return u
}

// Open implements session.Store.
func (s *Store) Open(ctx context.Context, id string, create bool, b session.Bounds) (session.Log, bool, error) {
	overflow := "0"
	if b.Overflow == session.DropOldest {
		overflow = "1"
	}
	name := escape(id)
	shard := shardOf(name)
	for range patience {
		low := rand.Uint32()/shards*shards + uint32(shard)
		a, err := s.run(ctx, shard, "open", name, flag(create), fmt.Sprintf("%08x", low), fmt.Sprintf("%08x", rand.Uint32()|1),
			strconv.Itoa(b.Messages), strconv.FormatInt(b.Bytes, 10), overflow, millis(b.Retention),
			strconv.Itoa(b.Links), strconv.Itoa(b.Readers), strconv.Itoa(b.Writers), strconv.Itoa(shard))
		if err != nil {
			return nil, false, err
		}
		if a.text(0) == "ok" {
			l, err := newLog(s, a.text(1))
			return l, a.num(2) == 1, err
		}
		switch there, err := s.locate(ctx, name, a.text(1)); {
		case err != nil:
			return nil, false, err
		case there:
			l, err := newLog(s, epochOf(a.text(1)))
			return l, false, err
		}
	}
	return nil, false, errRestless
}

// End implements session.Store.
func (s *Store) End(ctx context.Context, id string, refuse time.Duration) (session.Ended, error) {
	name := escape(id)
	shard := shardOf(name)
	at, v := micros(time.Now()), "" // v is where the session is, as far as that is known
	for range patience {
		in := shard
		if v != "" {
			in = shardOfPlace(v)
		}
		a, err := s.run(ctx, in, "end", name, millis(refuse), at, strconv.Itoa(shard), v)
		if refuse > 0 && v == "" && (err == nil || errors.Is(err, session.ErrNotFound)) {
			if err := s.settle(ctx, name, 0); err != nil {
				return session.Ended{}, err
			}
		}
		switch {
		case err != nil:
			return session.Ended{}, err
		case a.text(0) == "ok":
			return s.ended(ctx, a)
		case a.text(0) == "far":
			v = a.text(1)
			continue
		}
		if _, err := s.locate(ctx, name, a.text(1)); err != nil {
			return session.Ended{}, err
		}
		v = ""
	}
	return session.Ended{}, errRestless
}

// IDs implements session.Store.
func (s *Store) IDs(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		seen := make(map[string]struct{})
		var cursors [shards]uint64
		left := make([]int, shards)
		for i := range left {
			left[i] = i
		}
		for len(left) > 0 {
			pages, err := s.scan(ctx, left, &cursors)
			if err != nil {
				yield("", err)
				return
			}
			left = slices.DeleteFunc(left, func(shard int) bool { return cursors[shard] == 0 })
			for _, id := range pages {
				if _, twice := seen[id]; twice {
					continue
				}
				seen[id] = struct{}{}
				if !yield(unescape(id), nil) {
					return
				}
			}
		}
	}
}

// scan reads a page of the directory of each of some shards, in one go.
func (s *Store) scan(ctx context.Context, some []int, cursors *[shards]uint64) (ids []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	cmds := make(rueidis.Commands, len(some))
	for i, shard := range some {
		cmds[i] = s.client.B().Hscan().Key(s.base[shard] + ":i").Cursor(cursors[shard]).Count(256).Build()
	}
	for i, r := range s.client.DoMulti(ctx, cmds...) {
		page, err := r.AsScanEntry()
		if err != nil {
			return nil, fmt.Errorf("redis: listing the sessions: %w", err)
		}
		cursors[some[i]] = page.Cursor
		for n := 0; n+1 < len(page.Elements); n += 2 { // id, place
			ids = append(ids, page.Elements[n])
		}
	}
	return ids, nil
}

// ended reads what a script says of a session that is over.
func (s *Store) ended(ctx context.Context, a answer) (session.Ended, error) {
	epoch, err := strconv.ParseUint(a.text(2), 16, 64)
	if err != nil {
		return session.Ended{}, errAnswer
	}
	e := session.Ended{ID: unescape(a.text(1)), Epoch: epoch}
	seq := uint64(a.num(3))
	for _, raw := range a.list(4) {
		entry, err := decode(seq, raw)
		if err != nil {
			return e, err
		}
		e.Messages = append(e.Messages, entry)
		seq++
	}
	s.hub.wake(a.text(2))
	if a.num(6) == 1 {
		s.later(s.forward(ctx, a.text(2), 0)) // else whoever looks for the expired does it
	}
	return e, nil
}
