package main

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"

	"github.com/mirage-go/mirage"
)

// who returns a name for the visitor that others may see. It does not tell the mirage id,
// which is a secret between the visitor and the server.
func who(s *mirage.Session) string {
	sum := sha256.Sum256([]byte("rooms " + s.ID()))
	return hex.EncodeToString(sum[:6])
}

// nameOf returns the name that a visitor chose. Without one, it is always the same.
func nameOf(s *mirage.Session, chosen string) string {
	if name := clean(chosen, maxName); name != "" {
		return name
	}
	sum := sha256.Sum256([]byte("name " + s.ID()))
	return moods[sum[0]%16] + " " + animals[sum[1]%16]
}

var (
	moods = [16]string{
		"Amber", "Brave", "Calm", "Coral", "Dusty", "Early", "Gentle", "Golden",
		"Lunar", "Mellow", "Misty", "Quiet", "Silver", "Sunny", "Velvet", "Wild",
	}
	animals = [16]string{
		"Bee", "Camel", "Crane", "Finch", "Fox", "Gecko", "Hare", "Heron",
		"Ibex", "Jackal", "Lark", "Lynx", "Oryx", "Otter", "Owl", "Wren",
	}
)

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
