package redis

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/url"
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
	// Logger gets the warnings about Redis's configuration and the failures that no caller can be told. Nil means slog.Default().
	Logger *slog.Logger
}

// Store is a session.Store in Redis; see the package's documentation. Make one with New. It is safe for concurrent use.
type Store struct {
	client rueidis.Client
	o      Options
	base   string // of all keys, with the hash tag
	node   string // names this Store in what it publishes
	pub    string // the command
	hub    hub

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
		client: client, o: o, base: "{" + o.Prefix + "}", node: fmt.Sprintf("%016x", rand.Uint64()), pub: "PUBLISH",
		uncertain: make(map[attempt]unknown),
	}
	if client.Mode() == rueidis.ClientModeCluster {
		s.pub = "SPUBLISH"
	}
	s.hub.init(s)
	s.warn()
	return s
}

// Close ends the Store's goroutine and its pub/sub connection, and waits for both. It leaves sessions and client alone.
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
	a, err := s.run(ctx, "open", escape(id), flag(create), fmt.Sprintf("%08x", rand.Uint32()), fmt.Sprintf("%08x", rand.Uint32()|1),
		strconv.Itoa(b.Messages), strconv.FormatInt(b.Bytes, 10), overflow, millis(b.Retention),
		strconv.Itoa(b.Links), strconv.Itoa(b.Readers), strconv.Itoa(b.Writers))
	if err != nil {
		return nil, false, err
	}
	l, err := newLog(s, a.text(1))
	return l, a.num(2) == 1, err
}

// Resolve implements session.Store.
func (s *Store) Resolve(ctx context.Context, id string, signed time.Time, client string) (string, bool, error) {
	a, err := s.run(ctx, "resolve", escape(id), micros(signed), escape(client))
	if err != nil {
		return id, false, err
	}
	return unescape(a.text(1)), a.num(2) == 1, nil
}

// Move implements session.Store.
func (s *Store) Move(ctx context.Context, from, to, client string, keep time.Duration) error {
	if from == to {
		return nil
	}
	a, err := s.run(ctx, "move", escape(from), escape(to), escape(client), millis(keep))
	if err != nil {
		return err
	}
	for i := 1; i < len(a); i++ {
		s.hub.wake(a.text(i))
	}
	return nil
}

// End implements session.Store.
func (s *Store) End(ctx context.Context, id string, refuse time.Duration) (session.Ended, error) {
	a, err := s.run(ctx, "end", escape(id), millis(refuse), micros(time.Now()))
	if err != nil {
		return session.Ended{}, err
	}
	return s.ended(a)
}

// Expired implements session.Store.
func (s *Store) Expired(ctx context.Context, max int) (ended []session.Ended, next time.Duration, err error) {
	for len(ended) < max {
		a, err := s.run(ctx, "expire")
		if err != nil {
			return ended, 0, err
		}
		if a.text(0) == "none" {
			return ended, time.Duration(a.num(1)) * time.Millisecond, nil
		}
		over, err := s.ended(a)
		if err != nil {
			return ended, 0, err
		}
		ended = append(ended, over)
	}
	return ended, 1, nil // there may be more at once
}

// IDs implements session.Store.
func (s *Store) IDs(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		seen := make(map[string]struct{})
		for cursor := uint64(0); ; {
			page, err := s.scan(ctx, cursor)
			if err != nil {
				yield("", err)
				return
			}
			for i := 0; i+1 < len(page.Elements); i += 2 { // id, epoch
				id := page.Elements[i]
				if _, twice := seen[id]; twice {
					continue
				}
				seen[id] = struct{}{}
				if !yield(unescape(id), nil) {
					return
				}
			}
			if cursor = page.Cursor; cursor == 0 {
				return
			}
		}
	}
}

func (s *Store) scan(ctx context.Context, cursor uint64) (rueidis.ScanEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	page, err := s.client.Do(ctx, s.client.B().Hscan().Key(s.base+":i").Cursor(cursor).Count(512).Build()).AsScanEntry()
	if err != nil {
		return page, fmt.Errorf("redis: listing the sessions: %w", err)
	}
	return page, nil
}

// ended reads what a script says of a session that is over.
func (s *Store) ended(a answer) (session.Ended, error) {
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
	return e, nil
}
