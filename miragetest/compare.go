package miragetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/mirage-go/mirage/client"
)

func isEvent(m client.Message, event string) bool {
	return m.Event == event || event == "message" && m.Event == "" || event == "" && m.Event == "message"
}

func isError[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// wanted returns the data that is wanted, for the text of a failure.
func wanted(data []any) string {
	if len(data) == 0 {
		return ""
	}
	switch v := data[0].(type) {
	case string, []byte:
		return fmt.Sprintf(" with the data %q", v)
	default:
		return " with the data " + toJSON(v)
	}
}

// compare returns how data differs from what is wanted, or "".
func compare(data []byte, want any) string {
	switch v := want.(type) {
	case string:
		if string(data) == v {
			return ""
		}
		hint := ""
		if string(data) == toJSON(v) {
			hint = ", which is that text in JSON"
		}
		return fmt.Sprintf("has the data %q, want %q%s", shorten(string(data)), shorten(v), hint)
	case []byte:
		if bytes.Equal(data, v) {
			return ""
		}
		return fmt.Sprintf("has the data %q, want %q", shorten(string(data)), shorten(string(v)))
	}
	text := toJSON(want)
	var a, b any
	if json.Unmarshal(data, &a) == nil && json.Unmarshal([]byte(text), &b) == nil && reflect.DeepEqual(a, b) {
		return ""
	}
	return fmt.Sprintf("has the data %s, want %s", shorten(string(data)), shorten(text))
}

func toJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("(%v)", err)
	}
	return string(text)
}
