package frame

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// appendString appends s as a JSON string. A string that needs no escape is copied. Any
// other goes through encoding/json, which escapes all control characters.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // cannot fail for a string
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, s)
	}
	return append(dst, ']')
}

// appendInfo appends JSON that an application or a client wrote, without its line breaks,
// and in valid UTF-8. If info is not JSON, it appends null.
func appendInfo(dst []byte, info json.RawMessage) []byte {
	if len(info) == 0 || !json.Valid(info) {
		return append(dst, "null"...)
	}
	if !utf8.Valid(info) {
		info = bytes.ToValidUTF8(info, []byte("\uFFFD"))
	}
	if !hasLineBreak(info) {
		return append(dst, info...)
	}
	compact := bytes.NewBuffer(dst)
	_ = json.Compact(compact, info) // cannot fail, info is valid
	return compact.Bytes()
}
