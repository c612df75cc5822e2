// Package limitlog limits how often a logger writes lines of one kind. What a stranger
// can make the server log must not fill its disk.
package limitlog

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// burst is how many lines of one kind are written at once. After that, one is written
// each second. maxKinds bounds the kinds that are told apart.
const (
	burst = 10

	maxKinds = 1024
)

// New returns a logger that writes to the handler of logger at most ten lines of one kind
// at once, and one each second. The next line of that kind says in the attribute
// "suppressed" how many were left out. Lines are of one kind if they have the same
// message and the same value of the first attribute named "reason", "callback" or "hook".
// Lines below slog.LevelInfo are not limited.
func New(logger *slog.Logger) *slog.Logger {
	if _, limited := logger.Handler().(*handler); limited {
		return logger
	}
	return slog.New(&handler{Handler: logger.Handler(), kinds: &kinds{byKey: make(map[key]*kind)}})
}

type handler struct {
	slog.Handler
	kinds *kinds // shared by all handlers that WithAttrs and WithGroup return
}

type key struct{ message, value string }

type kinds struct {
	mu    sync.Mutex
	byKey map[key]*kind
}

// A kind is a token bucket, and counts what it has held back.
type kind struct {
	used       float64 // tokens that are missing from a full bucket
	at         time.Time
	suppressed int
}

// take reports whether a line may be written at now, and how many were held back before
// it.
func (k *kinds) take(now time.Time, of key) (suppressed int, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	one := k.byKey[of]
	if one == nil {
		if len(k.byKey) >= maxKinds {
			of = key{}
		}
		if one = k.byKey[of]; one == nil {
			one = &kind{at: now}
			k.byKey[of] = one
		}
	}

	one.used = max(0, one.used-now.Sub(one.at).Seconds())
	one.at = now
	if one.used+1 > burst {
		one.suppressed++
		return 0, false
	}
	one.used++
	suppressed, one.suppressed = one.suppressed, 0
	return suppressed, true
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelInfo {
		return h.Handler.Handle(ctx, r)
	}
	of := key{message: r.Message}
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "reason", "callback", "hook":
			of.value = a.Value.String()
			return false
		}
		return true
	})

	suppressed, ok := h.kinds.take(r.Time, of)
	if !ok {
		return nil
	}
	if suppressed > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("suppressed", suppressed))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.Handler.WithAttrs(attrs), h.kinds}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.Handler.WithGroup(name), h.kinds}
}
