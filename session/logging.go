package session

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"log/slog"
	"strings"
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

// logFailed logs that OnMessage failed. Its client learns only that.
func (m *Manager) logFailed(e *Event, err error) {
	m.o.Logger.Warn("session: OnMessage failed",
		"session", m.logID(e.Session), "writer", e.Writer, "number", e.To, "error", err)
}

// logEvent logs an event that somebody must act on: messages are lost, or were refused
// because there is no room.
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
	m.o.Logger.LogAttrs(context.Background(), level, text, attrs...)
}
