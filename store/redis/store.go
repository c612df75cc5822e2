package redis

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/store"
)

// Options configure a Store. The zero value has all defaults.
type Options struct {
	// Prefix begins the name of every key. Stores with the same prefix share their
	// sessions. It must not contain braces. Empty means "mirage".
	Prefix string
	// Timeout bounds every call, retries included. Zero means 4s.
	Timeout time.Duration
	// SafetyRead is how often a watched session is checked for changes, in case pub/sub
	// has lost what was published, and how long at most its links read without a question
	// to Redis. Zero means 5s.
	SafetyRead time.Duration
	// Lease is how long a link counts after the last sign of life from its node. It must
	// be at least 1s, at least three times the Manager's Heartbeat, and longer than
	// poll.Options.Hold and Pause together. New checks only the first. If all nodes with
	// links of a session die, its retention begins when the Lease has passed. Zero means
	// 90s.
	Lease time.Duration
	// Logger gets the warnings about Redis's configuration. When Redis begins to fail,
	// and when it works again, Logger is told, with what to do about it. Nil means
	// slog.Default().
	Logger *slog.Logger
}

// Store is a store.Store in Redis; see the package's documentation. Make one with New. It
// is safe for concurrent use.
type Store struct {
	client     rueidis.Client
	o          Options
	base       [shards]string // what the keys of each shard begin with: its hash tag
	node       string         // names this Store in what it publishes
	pub        string         // the command that publishes
	subscriber subscriber
	watcher    watcher
	topics     topics
	insists    insists
	lanes      []*lanes
	reports    reports
	claims     claims
	clock      *clock
	outage     outage
	cut        func() bool                              // tests only: the node dies before this step
	answered   func(script string, argv []string) error // tests only: an error means that the answer is lost

	mu        sync.Mutex
	uncertain map[attempt]unknown // appends whose outcome is unknown
}

var _ store.Store = (*Store)(nil)

// New returns a Store on the caller's client. Close the Store before the client. New asks
// Redis for its time and its configuration, for at most a second, and logs problems with
// the configuration. It is no error if Redis cannot be reached. New panics if o is
// invalid.
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
		client: client, o: o, base: bases(o.Prefix), node: newNode(), pub: "PUBLISH",
		uncertain: make(map[attempt]unknown), claims: newClaims(), clock: newClock(),
	}
	if client.Mode() == rueidis.ClientModeCluster {
		s.pub = "SPUBLISH"
	}

	s.subscriber.init(s)
	s.watcher.init(s)
	s.topics.init(s)
	s.subscriber.checks = append(s.subscriber.checks, s.watcher.check)
	s.insists.init()
	s.lanes = newLanes(s)
	s.reports.init(s)

	ctx, cancel := context.WithTimeout(context.Background(), min(time.Second, o.Timeout))
	defer cancel()
	s.sample(ctx)
	s.warn(ctx)
	return s
}

// newNode returns a name for this Store. The scripts know its length.
func newNode() string {
	const least = 36 * 36 * 36 * 36 * 36 * 36 * 36 // with eight digits
	return strconv.FormatUint(least+rand.Uint64N(35*least), 36)
}

// Remote implements store.Remote.
func (s *Store) Remote() {}

// sharded reports whether pub/sub is sharded, as in a Cluster.
func (s *Store) sharded() bool { return s.pub == "SPUBLISH" }

// Close ends the Store's goroutines and its pub/sub connections, and waits for them. It
// closes neither the sessions nor the client.
func (s *Store) Close() {
	s.reports.close()
	s.insists.close()
	s.subscriber.close()
	s.topics.close()
}

// escape turns the name of an id, a reader or a writer into text that JSON does not
// change.
func escape(s string) string { return url.PathEscape(s) }

func unescape(s string) string {
	u, err := url.PathUnescape(s)
	if err != nil {
		return s
	}
	return u
}

// Open implements store.Store.
func (s *Store) Open(
	ctx context.Context, id string, a store.Asked, create bool, b store.Bounds,
) (store.Log, bool, error) {
	overflow := "0"
	if b.Overflow == store.OverflowDropOldest {
		overflow = "1"
	}

	name := escape(id)
	shard := shardOf(name)

	for range patience {
		low := rand.Uint32()/shards*shards + uint32(shard)
		got, err := s.timed(ctx, shard, "open", name, flag(create),
			fmt.Sprintf("%08x", low), fmt.Sprintf("%08x", rand.Uint32()|1), strconv.Itoa(shard),
			decimal(rand.Uint64N(maxFirst)), given(a.Signed), given(a.Came),
			strconv.Itoa(b.MaxMessages), strconv.FormatInt(b.MaxBytes, 10), overflow, millis(b.Retention),
			strconv.Itoa(b.MaxLinks), strconv.Itoa(b.MaxReaders), strconv.Itoa(b.MaxWriters), millis(b.Quiet),
			strconv.FormatInt(b.Stall.Milliseconds(), 10))
		if err != nil {
			return nil, false, err
		}

		place := got.text(2)
		switch got.text(0) {
		case "ok":
			l, err := newLog(s, id, place)
			return l, got.num(3) == 1, err
		case "coming":
			if err := s.awaited(ctx, name, place); err != nil {
				return nil, false, err
			}
			continue
		}

		switch at, err := s.locate(ctx, name, place, a); {
		case err != nil:
			return nil, false, err
		case at.verdict != "":
			return nil, false, refusals[at.verdict]
		case at.is(name, place):
			l, err := newLog(s, id, place)
			return l, false, err
		}
	}
	return nil, false, errRestless
}

// maxFirst bounds the random number from which a log counts its links, so that no two
// logs have a link number in common. Lua's numbers are exact far beyond it.
const maxFirst = 1 << 46

// End implements store.Store.
func (s *Store) End(ctx context.Context, id string, refuse time.Duration) (ended store.Ended, err error) {
	name := escape(id)
	s.reports.flushID(ctx, id)
	err = s.bounded(ctx, func(ctx context.Context) error {
		ended, err = s.end(ctx, name, lasting(refuse))
		if refuse > 0 {
			s.catchUp(ctx, shardOf(name))
		}
		return err
	})
	return ended, err
}

func (s *Store) end(ctx context.Context, name, refuse string) (store.Ended, error) {
	shard := shardOf(name)
	now, place := micros(s.Now()), "" // place is where the session is, if that is known

	for range patience {
		in := shard
		if place != "" {
			in = shardOfPlace(place)
		}

		a, err := s.timed(ctx, in, "end", name, refuse, now, strconv.Itoa(shard), place)
		switch {
		case err != nil:
			return store.Ended{}, err
		case a.text(0) == "ok":
			return s.ended(ctx, append(answer{a[0]}, a[2:]...))
		case a.text(0) == "far":
			place = a.text(2)
			continue
		case a.text(0) == "coming":
			if err := s.awaited(ctx, name, a.text(2)); err != nil {
				return store.Ended{}, err
			}
			continue
		}

		if _, err := s.locate(ctx, name, a.text(2), store.Asked{}); err != nil {
			return store.Ended{}, err
		}
		place = ""
	}
	return store.Ended{}, errRestless
}

// ended decodes the answer of a script about a session that has ended.
func (s *Store) ended(ctx context.Context, a answer) (store.Ended, error) {
	epoch, err := strconv.ParseUint(a.text(2), 16, 64)
	if err != nil {
		return store.Ended{}, errAnswer
	}

	e := store.Ended{ID: unescape(a.text(1)), Epoch: epoch}
	below := a.list(7)
	for i := 0; i+1 < len(below); i += 2 {
		seq, _ := strconv.ParseUint(below[i], 10, 64)
		entry, err := decode(seq, below[i+1])
		if err != nil {
			return e, err
		}
		e.Messages = append(e.Messages, entry)
	}
	for i, raw := range a.list(4) {
		entry, err := decodeNth(a.seq(3), i, raw)
		if err != nil {
			return e, err
		}
		e.Messages = append(e.Messages, entry)
	}

	s.watcher.wake(a.text(2))
	if a.num(6) == 1 {
		_, err := s.forward(ctx, a.text(2), 0)
		s.later(err) // if this fails, a call of Expired does it
	}
	return e, nil
}
