package session

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
)

// check panics if the options are impossible, with the remedy in the text.
func (o *Options) check() {
	for _, bound := range []struct {
		name  string
		value int64
	}{
		{"MaxMessages", int64(o.MaxMessages)},
		{"MaxBytes", o.MaxBytes},
		{"MaxMessageSize", int64(o.MaxMessageSize)},
		{"MaxLinks", int64(o.MaxLinks)},
		{"LinkBurst", int64(o.LinkBurst)},
		{"Burst", int64(o.Burst)},
		{"Retention", int64(o.Retention)},
		{"Remember", int64(o.Remember)},
		{"LinkAge", int64(o.LinkAge)},
		{"WriteTimeout", int64(o.WriteTimeout)},
		{"MaxBody", int64(o.MaxBody)},
		{"MaxBatch", int64(o.MaxBatch)},
		{"BodyTimeout", int64(o.BodyTimeout)},
	} {
		if bound.value < 0 {
			panic(fmt.Sprintf("session: Options.%s is %d; give a positive value, or 0 for the default",
				bound.name, bound.value))
		}
	}
	if o.Overflow != store.OverflowRefuse && o.Overflow != store.OverflowDropOldest {
		panic(fmt.Sprintf("session: Options.Overflow is %d; give OverflowRefuse or OverflowDropOldest", o.Overflow))
	}
}

// checkRoom panics if a message can be larger than a log. The options are complete.
func (o *Options) checkRoom() {
	if int64(new(store.Message).Size()+o.MaxMessageSize+store.MaxEvent) > o.MaxBytes {
		panic(fmt.Sprintf("session: Options.MaxMessageSize is %d, and a message of that size does not fit into a log "+
			"of MaxBytes (%d); raise MaxBytes or lower MaxMessageSize", o.MaxMessageSize, o.MaxBytes))
	}
}

// rememberMore is how much longer than Options.Remember a revocation counts. The Max-Age
// of a value begins when it is handed out: for a request that came before the revocation
// that may be after it. And the clock of the node by which it is counted may be another
// one than the Store's.
const rememberMore = time.Hour

// CrowdedRetry is how long a client stays away that finds no place among the links of its
// session (store.ErrCrowded), or has given its place to another reader.
const CrowdedRetry = time.Minute

// defaultMaxReaders and defaultMaxWriters bound what one session remembers.
const (
	defaultMaxReaders = 128
	defaultMaxWriters = 32
)

const (
	quietAfter  = time.Minute      // how long a link keeps its place after its client was heard of
	detachAfter = 10 * time.Second // how long a reader may be gone before OnDetach

	// Clients acknowledge within a second: one that has acknowledged nothing for so long
	// hangs, or has a bad network.
	stalledAfter = 3 * time.Second
	// After this another node may handle a message whose handler's node died.
	turnLease = 30 * time.Second
	// A longer time is as long: a sum with the longest Duration overflows.
	forever = 100 * 365 * 24 * time.Hour
	// A larger bound is as large, for the same reason.
	boundless = 1 << 30
)

func (o Options) withDefaults() Options {
	if o.Store == nil {
		o.Store = memory.New(memory.Options{Budget: o.Budget, Logger: o.Logger})
	}

	orInt(&o.MaxMessages, 1000)
	orInt(&o.MaxMessageSize, 64<<10)
	orInt(&o.MaxLinks, 32)
	orInt(&o.LinkRate, 10)
	orInt(&o.LinkBurst, 10*o.MaxLinks)
	orInt(&o.Rate, 50)
	orInt(&o.Burst, 200)
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 20
	}
	if o.Intake == 0 {
		o.Intake = 64 << 20
	}

	orTime(&o.Retention, 2*time.Minute)
	orTime(&o.Remember, 30*24*time.Hour)
	orTime(&o.Heartbeat, 15*time.Second)
	orTime(&o.AckTimeout, 20*time.Second)
	orTime(&o.LinkAge, 10*time.Minute)
	orTime(&o.WriteTimeout, 10*time.Second)
	orTime(&o.BodyTimeout, 10*time.Second)
	orInt(&o.MaxBody, max(64<<10, o.MaxMessageSize/3*4+1024)) // base64 makes four bytes of three
	orInt(&o.MaxBatch, 100)

	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

func orInt(v *int, d int) {
	if *v == 0 {
		*v = d
	}
	*v = min(*v, boundless)
}

func orTime(v *time.Duration, d time.Duration) {
	if *v == 0 {
		*v = d
	}
	*v = min(*v, forever)
}

func (o *Options) bounds() store.Bounds {
	return store.Bounds{
		MaxMessages: o.MaxMessages, MaxBytes: o.MaxBytes, Overflow: o.Overflow, Retention: o.Retention,
		MaxLinks: o.MaxLinks, Quiet: quietAfter, Stall: stalledAfter,
		MaxReaders: defaultMaxReaders, MaxWriters: defaultMaxWriters,
	}
}
