package session

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/mirage-go/mirage/internal/limitlog"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
)

// check panics if an option is invalid. The text says how to correct it.
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
		{"MaxHooks", int64(o.MaxHooks)},
		{"HookTimeout", int64(o.HookTimeout)},
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

// checkRoom panics if the largest message does not fit into a log. The defaults must have
// been filled in.
func (o *Options) checkRoom() {
	if int64(new(store.Message).Size()+o.MaxMessageSize+store.MaxEvent) > o.MaxBytes {
		panic(fmt.Sprintf("session: Options.MaxMessageSize is %d, and a message of that size does not fit into a log "+
			"of MaxBytes (%d); raise MaxBytes or lower MaxMessageSize", o.MaxMessageSize, o.MaxBytes))
	}
}

// rememberMore is how much longer than Options.Remember a revocation lasts. The Max-Age
// of a value begins when the value is handed out. For a request that came before the
// revocation, that may be after the revocation. The clock of the node that counts it may
// also differ from the Store's.
const rememberMore = time.Hour

// CrowdedRetry is how long a client waits before it reconnects if its session has no room
// for its link (store.ErrCrowded), or if its link had to make room for another reader's.
const CrowdedRetry = time.Minute

// defaultMaxReaders and defaultMaxWriters bound how many readers without a link, and how
// many writers, one session remembers.
const (
	defaultMaxReaders = 128
	defaultMaxWriters = 32
)

const (
	quietAfter  = time.Minute      // how long a link keeps its place after its client was last heard from
	detachAfter = 10 * time.Second // how long a reader may be gone before OnDetach

	// Clients acknowledge within a second. One that has acknowledged nothing for this
	// long hangs, or has a bad network.
	stalledAfter = 3 * time.Second
	// After this time another node may handle a message if the node that handled it died.
	turnLease = 30 * time.Second
	// Longer durations are cut to this one: a sum with the longest Duration would
	// overflow.
	forever = 100 * 365 * 24 * time.Hour
	// Larger bounds are cut to this one, for the same reason.
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
	orInt(&o.MaxHooks, 64)
	orTime(&o.HookTimeout, 5*time.Second)

	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.Logger = limitlog.New(o.Logger)
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
