package main

import (
	"context"
	"hash/fnv"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"github.com/mirage-go/mirage"
)

// welcome sends a reader (one tab) its name here and the server's time.
func (r *room) welcome(ctx context.Context, s *mirage.Session, reader, name string) {
	msg, err := mirage.JSON("welcome", map[string]any{"name": name, "now": time.Now().UnixMicro()})
	if err == nil {
		_, err = s.SendTo(ctx, reader, msg)
	}
	if err != nil {
		slog.Error("welcoming a reader", "error", err)
	}
}

// rename gives somebody a new name. An empty name restores their default name.
func (r *room) rename(s *mirage.Session, name string) {
	if name = clean(name, maxName); name == "" {
		name = defaultName(s.ID())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.people[s.ID()]; p != nil && p.name != name {
		p.name = name
		r.changedLocked(s, s.ID())
	}
}

var (
	moods = [...]string{
		"Amber", "Brave", "Calm", "Coral", "Dusty", "Early", "Gentle", "Golden",
		"Lunar", "Mellow", "Misty", "Quiet", "Silver", "Sunny", "Velvet", "Wild",
	}
	animals = [...]string{
		"Bee", "Camel", "Crane", "Finch", "Fox", "Gecko", "Hare", "Heron",
		"Ibex", "Jackal", "Lark", "Lynx", "Oryx", "Otter", "Owl", "Wren",
	}
)

// defaultName returns the name of somebody who has not chosen one. It is always the same
// for an id.
func defaultName(id string) string {
	h := fnv.New32a()
	h.Write([]byte(id))
	n := h.Sum32() >> 8
	return moods[n%16] + " " + animals[n/16%16]
}

// clean makes safe text from a stranger's input: valid UTF-8, without control characters,
// at most max characters. It does not escape markup, because the page shows text as text.
func clean(s string, max int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || r == unicode.ReplacementChar,
			r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069: // these change the direction of text
			return -1
		}
		return r
	}, s)
	if runes := []rune(strings.TrimSpace(s)); len(runes) > max {
		return string(runes[:max])
	}
	return strings.TrimSpace(s)
}
