package store

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

// W3: names that begin with mirage are reserved for Mirage, and open, error and close for
// the browser.
func TestW3EventNames(t *testing.T) {
	allowed := []string{
		"", "message", "news", "a b", "ü 🚀", "Mirage", "opened", "errors", "datastar-patch-elements", "htmx:sse",
		strings.Repeat("e", MaxEvent), "\u2028",
	}
	for _, name := range allowed {
		if err := CheckEvent(name); err != nil {
			t.Errorf("CheckEvent(%.40q) = %v; want it allowed", name, err)
		}
	}

	refused := []string{
		"mirage", "mirage-gap", "miragex", "open", "error", "close",
		"a\nb", "a\rb", "a\x00b", "a\tb", "\x7f", "\u0085", "\xff", "\xc3",
		strings.Repeat("e", MaxEvent+1),
	}
	for _, name := range refused {
		err := CheckEvent(name)
		if !errors.Is(err, ErrEvent) {
			t.Errorf("CheckEvent(%.40q) = %v; want it refused", name, err)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Errorf("CheckEvent(%.40q): the error itself has control characters: %q", name, err)
		}
	}
}

func TestMessages(t *testing.T) {
	if m := Text("hi"); m.Event != "" || string(m.Data) != "hi" || m.Binary {
		t.Errorf("Text = %+v", m)
	}
	m, err := JSON("news", map[string]int{"a": 1})
	if err != nil || m.Event != "news" || string(m.Data) != `{"a":1}` || m.Binary {
		t.Errorf("JSON = %+v, %v", m, err)
	}
	if _, err := JSON("news", math.NaN()); err == nil || !strings.Contains(err.Error(), "news") {
		t.Errorf("JSON of what is none: %v", err)
	}
}

// M1, M3: a key is short text, and a TTL is not negative.
func TestM1CheckKey(t *testing.T) {
	for name, m := range map[string]Message{
		"none":                   {},
		"a key":                  {Key: "k1"},
		"the name of an event":   {Key: "mirage-end"},
		"spaces and punctuation": {Key: " a: b, c "},
		"beyond ASCII":           {Key: "ü 🚀 "},
		"the longest":            {Key: strings.Repeat("k", MaxKey)},
		"a TTL":                  {TTL: time.Nanosecond},
		"both":                   {Key: "k", TTL: math.MaxInt64},
	} {
		if err := m.CheckKey(); err != nil {
			t.Errorf("%s: CheckKey() = %v; want it allowed", name, err)
		}
	}

	for name, m := range map[string]Message{
		"too long":              {Key: strings.Repeat("k", MaxKey+1)},
		"too long in bytes":     {Key: strings.Repeat("ü", MaxKey/2+1)},
		"LF":                    {Key: "a\nb"},
		"CR":                    {Key: "a\rb"},
		"NUL":                   {Key: "\x00"},
		"tab":                   {Key: "a\tb"},
		"DEL":                   {Key: "\x7f"},
		"NEL":                   {Key: "\u0085"},
		"invalid UTF-8":         {Key: "\xff"},
		"half a character":      {Key: "a\xc3"},
		"a negative TTL":        {TTL: -1},
		"a key, a negative TTL": {Key: "k", TTL: -time.Second},
	} {
		err := m.CheckKey()
		if !errors.Is(err, ErrKey) {
			t.Errorf("%s: CheckKey() = %v; want it refused", name, err)
		}
		if err != nil && (strings.ContainsAny(err.Error(), "\r\n\x00") || len(err.Error()) > 200) {
			t.Errorf("%s: the error has control characters, or is long: %.300q", name, err)
		}
	}
}

// M1: a key counts against the log's bound.
func TestM1SizeOfAKey(t *testing.T) {
	m := Message{Event: "news", Key: "k1", Data: []byte("hi")}
	if got := m.Size(); got != overhead+4+2+2 {
		t.Errorf("Size = %d", got)
	}
}

// D5: a message counts with its name and an overhead, so that a million empty messages
// are not free.
func TestD5SizeOfAMessage(t *testing.T) {
	m := Message{Event: "news", Data: make([]byte, 1000)}
	if got := m.Size(); got != overhead+4+1000 {
		t.Errorf("Size = %d", got)
	}
	if got := (&Message{}).Size(); got < 64 {
		t.Errorf("an empty message counts %d bytes", got)
	}
}
