package frame

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// ParseUp parses the data of EventUp as encoding/json does. It parses the form that
// AppendUp and all our clients write in a tenth of the time.
func ParseUp(data []byte) (Up, error) {
	if up, ok := parseUp(data); ok {
		return up, nil
	}
	var up Up
	err := json.Unmarshal(data, &up)
	return up, err
}

// parseUp parses exactly the form of AppendUp. ok is false for any other form, which may
// be valid nevertheless.
func parseUp(data []byte) (up Up, ok bool) {
	var writer, base, ack, again []byte

	if data, ok = bytes.CutPrefix(data, []byte(`{"writer":"`)); !ok {
		return Up{}, false
	}
	if writer, data, ok = bytes.Cut(data, []byte(`","base":`)); !ok || !isPlain(writer) {
		return Up{}, false
	}
	if base, data, ok = bytes.Cut(data, []byte(`,"ack":"`)); !ok || !isNumber(base) {
		return Up{}, false
	}
	if ack, again, ok = bytes.Cut(data, []byte(`","again":`)); !ok || !isPlain(ack) {
		return Up{}, false
	}

	switch string(again) {
	case "true}":
		up.Again = true
	case "false}":
	default:
		return Up{}, false
	}

	up.Base, _ = strconv.ParseUint(string(base), 10, 64)
	up.Writer, up.Ack = string(writer), string(ack)
	return up, true
}

// isPlain reports whether b needs no escape in a JSON string.
func isPlain(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// isNumber reports whether b is a natural number in JSON's notation with at most 19
// digits, so that it fits into 64 bits.
func isNumber(b []byte) bool {
	if len(b) == 0 || len(b) > 19 || b[0] == '0' && len(b) > 1 {
		return false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
