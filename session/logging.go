package session

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"log/slog"
	"strings"
	"sync"
)

// LogID returns a short name for an id that is fit for logs: the beginning of its SHA-256
// hash, in 12 letters and digits. It tells nobody the id, unless the id can be guessed.
// Log lines of Mirage name sessions in this way, except if Options.LogIDs is set. Package
// inspect does, too.
func LogID(id string) string {
	sum := sha256.Sum256([]byte(id))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:12])
}

// logID returns the name of a session in log lines. It is not hashed until it is logged.
func (m *Manager) logID(id string) slog.LogValuer { return loggedID{id, m.o.LogIDs} }

type loggedID struct {
	id   string
	full bool
}

// LogValue implements slog.LogValuer.
func (l loggedID) LogValue() slog.Value {
	if l.full {
		return slog.StringValue(l.id)
	}
	return slog.StringValue(LogID(l.id))
}

// logRate and logBurst bound the lines of one kind, per second and at once.
const logRate, logBurst = 1, 10

// A logLimit bounds how often lines of one kind are logged, and counts the others.
type logLimit struct {
	mu      sync.Mutex
	buckets map[lineKind]*logBucket // a few dozen
}

// A lineKind is what the limit is for.
type lineKind struct {
	event  EventKind
	reason string
}

type logBucket struct {
	bucket
	suppressed int // lines that were not logged since the last one that was
}

// take reports whether a line may be logged at now, and how many were suppressed before
// it.
func (g *logLimit) take(now int64, kind lineKind) (suppressed int, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.buckets[kind]
	if b == nil {
		if g.buckets == nil {
			g.buckets = make(map[lineKind]*logBucket)
		}
		b = &logBucket{}
		g.buckets[kind] = b
	}
	if b.take(now, logRate, logBurst) > 0 {
		b.suppressed++
		return 0, false
	}
	suppressed, b.suppressed = b.suppressed, 0
	return suppressed, true
}

// logFailed logs that OnMessage failed. Its client learns only that.
func (m *Manager) logFailed(e *Event, err error) {
	suppressed, ok := m.lines.take(m.now(), lineKind{e.Kind, e.Reason})
	if !ok {
		return
	}
	attrs := []any{"session", m.logID(e.Session), "writer", e.Writer, "number", e.To, "error", err}
	if suppressed > 0 {
		attrs = append(attrs, "suppressed", suppressed)
	}
	m.o.Logger.Warn("session: OnMessage failed", attrs...)
}

// logEvent logs an event that somebody must act on: messages are lost, or were refused
// because there is no room. Lines of one kind and reason that come too fast are left out,
// and the next one says how many they were.
func (m *Manager) logEvent(e Event) {
	level, text := slog.LevelWarn, ""
	switch {
	case e.Kind == EventLost:
		text = "session: a client is told that messages are lost"
	case e.Kind == EventSessionEnded && e.Messages > 0:
		level, text = slog.LevelInfo, "session: a session ended with messages that no client received"
	case (e.Kind == EventAppended || e.Kind == EventPublished) && (e.Reason == "full" || e.Reason == "budget"):
		text = "session: a message was refused for lack of room"
	case e.Kind == EventRefused && e.Reason == "budget":
		text = "session: a client was refused for lack of room"
	default:
		return
	}
	suppressed, ok := m.lines.take(m.now(), lineKind{e.Kind, e.Reason})
	if !ok {
		return
	}

	attrs := []slog.Attr{slog.String("reason", e.Reason)}
	if e.Session != "" {
		attrs = append(attrs, slog.Any("session", m.logID(e.Session)))
	}
	if e.Reader != "" {
		attrs = append(attrs, slog.String("reader", e.Reader))
	}
	if e.Topic != "" {
		attrs = append(attrs, slog.String("topic", e.Topic))
	}
	if e.From != 0 {
		attrs = append(attrs, slog.Uint64("from", e.From), slog.Uint64("to", e.To))
	}
	if e.Messages > 0 {
		attrs = append(attrs, slog.Int("messages", e.Messages))
	}
	if suppressed > 0 {
		attrs = append(attrs, slog.Int("suppressed", suppressed))
	}
	m.o.Logger.LogAttrs(context.Background(), level, text, attrs...)
}
