// Package cid knows the names that client objects give themselves: _cid, as reader and as writer.
package cid

import "strings"

const (
	min = 22 // 128 bits in base64url: less could be guessed
	Max = 64 // characters
)

// Valid tells whether s may be such a name: 22 to Max characters of base64url.
func Valid(s string) bool {
	return len(s) >= min && len(s) <= Max && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}
