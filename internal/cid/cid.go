// Package cid knows the names that client objects give themselves: _cid, as reader and as
// writer.
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

// Name is what everybody but the client itself gets to see of a _cid: 22 characters of
// base64url from which it cannot be found. Whoever knows a _cid could ask for its owner's
// id while that is being made (I10), so applications, stores and other clients only meet
// its name (I17). The name of "" is "".
func Name(cid string) string {
	if cid == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("mirage:name:" + cid))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Valid tells whether s may be such a name: 22 to Max characters of base64url.
func Valid(s string) bool {
	return len(s) >= min && len(s) <= Max && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}
