package frame

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// ParseUp reads the data of EventUp as encoding/json does. What AppendUp writes, as every
// client of ours does, it reads in a tenth of the time.
func ParseUp(data []byte) (Up, error) {
	if up, ok := parseUp(data); ok {
		return up, nil
	}
	var up Up
	err := json.Unmarshal(data, &up)
	return up, err
}

// parseUp reads exactly the form of AppendUp. ok is false for any other, which may be
// good all the same.
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

// isPlain tells whether b stands for itself in a JSON string.
func isPlain(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// isNumber tells whether b is a natural number as JSON writes it, and not too large for
// 64 bits for sure.
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
