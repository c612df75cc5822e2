package store

import (
	"errors"
	"math"
	"strings"
	"testing"
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
