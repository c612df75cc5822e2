// Package cid handles the names that client objects give themselves (_cid). A client
// object uses its name as reader (subscriber) and as writer (producer).
package cid

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

const (
	min = 22 // 128 bits in base64url: less could be guessed
	Max = 64 // characters
)

// Name returns the public name of a _cid: 22 characters of base64url from which the _cid
// cannot be derived. Anybody who knows a _cid could obtain its owner's id while the id is
// being made (I10). So applications, stores and other clients see only the name (I17).
// The name of "" is "".
func Name(cid string) string {
	if cid == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("mirage:name:" + cid))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Valid reports whether s may be a _cid: 22 to Max characters of base64url.
func Valid(s string) bool {
	return len(s) >= min && len(s) <= Max && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}
