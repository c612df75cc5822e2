package store

import (
	"errors"
	"strings"
	"testing"
)

// T1: a name has 1 to 128 characters of [A-Za-z0-9._:/~-], and is none that W3 reserves.
func TestT1TopicNames(t *testing.T) {
	for _, name := range []string{
		"a", "7", "room:7", "doc/1.2_x-y", "~user:42", "~", "-", ".", "..", "/", "message", "Mirage", "MIRAGE",
		"opened", "AZaz09", "~mirage", "Open", strings.Repeat("t", MaxTopic),
	} {
		if err := CheckTopic(name); err != nil {
			t.Errorf("CheckTopic(%.40q) = %v; want it allowed", name, err)
		}
	}

	for _, name := range []string{
		"", "mirage", "mirage-gap", "miragex", "mirage:7", "open", "error", "close",
		" ", "a b", "a,b", "a\nb", "a\rb", "a\x00b", "a\tb", "a%20b", "a+b", "a?b", "a#b", "a&b", "a=b", "a@b", "{a}",
		`a"b`, `a\b`, "ü", "🚀", "\x7f", "\u0085", "\u2028", "\uFFFD", "\xff", "\xc3", "a\xffb", "é", "\u212A",
		strings.Repeat("t", MaxTopic+1), strings.Repeat("t", 1<<20),
	} {
		err := CheckTopic(name)
		if !errors.Is(err, ErrTopic) {
			t.Errorf("CheckTopic(%.40q) = %v; want it refused", name, err)
		}
		if err != nil && (strings.ContainsAny(err.Error(), "\r\n\x00") || len(err.Error()) > 200) {
			t.Errorf("CheckTopic(%.40q): the error has control characters, or is long: %.300q", name, err)
		}
	}
}

// T1: every character of one byte is allowed or not, as the clause lists them.
func TestT1TopicCharacters(t *testing.T) {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/~-"
	for c := range 256 {
		name := string([]byte{'t', byte(c)})
		if err := CheckTopic(name); (err == nil) != (strings.IndexByte(allowed, byte(c)) >= 0) {
			t.Errorf("CheckTopic(%q) = %v", name, err)
		}
	}
}

// T1: only the server joins names that begin with "~".
func TestT1ServerOnly(t *testing.T) {
	for name, want := range map[string]bool{
		"~user:42": true, "~": true, "~~": true, "user:42": false, "a~": false, "": false,
	} {
		if got := ServerOnly(name); got != want {
			t.Errorf("ServerOnly(%q) = %v", name, got)
		}
	}
}
