package cookie

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Purpose says what a value was signed for; it verifies for that purpose alone. It is not empty and has no '|'.
type Purpose string

// The purposes of Mirage itself.
const (
	ID   Purpose = "id"   // a mirage id, in the cookie or the query
	Link Purpose = "link" // a link token
)

// ErrInvalid is the error of Verify: forged, expired, of another purpose, of another key, or not a signed value at all. It never
// says which, and never holds the value.
var ErrInvalid = errors.New("cookie: the value does not verify")

// maxAhead is by how much the clock of another node may be ahead of ours. A value from further in the future does not verify:
// securecookie alone would take it, and it would live longer than MaxAge.
const maxAhead = 5 * time.Minute

// Sign signs payload with the first key. The payload stays readable to everybody. Sign fails if the signed value would be longer than
// MaxValue (a payload of up to 220 bytes fits) or purpose is none.
func (c *Codec) Sign(purpose Purpose, payload string) (string, error) {
	if purpose == "" || strings.Contains(string(purpose), "|") {
		return "", fmt.Errorf("cookie: %q is no purpose", purpose)
	}
	b := make([]byte, 0, 16+len(payload))
	b = strconv.AppendInt(b, time.Now().UnixNano(), 36)
	b = append(b, ' ')
	b = append(b, payload...)
	signed, err := c.codecs[0].Encode(name(purpose), b)
	if err != nil {
		return "", fmt.Errorf("cookie: sign %s: %w", purpose, err)
	}
	return strings.TrimRight(signed, "="), nil // padding would have to be escaped in a query
}

// Verify returns what was signed for purpose, and when. The error is ErrInvalid, whatever is wrong with signed.
func (c *Codec) Verify(purpose Purpose, signed string) (payload string, issued time.Time, err error) {
	payload, issued, _, err = c.verify(purpose, signed)
	return payload, issued, err
}

// verify also tells which key signed. It asks the codecs one by one: the MultiError of securecookie.DecodeMulti hides what went wrong
// and costs more.
func (c *Codec) verify(purpose Purpose, signed string) (payload string, issued time.Time, key int, err error) {
	if signed == "" || len(signed) > MaxValue || strings.IndexFunc(signed, foreign) >= 0 {
		return "", time.Time{}, 0, ErrInvalid
	}
	padded := signed + "==="[:-len(signed)&3]
	for i, codec := range c.codecs {
		var b []byte
		if codec.Decode(name(purpose), padded, &b) != nil {
			continue
		}
		stamp, payload, ok := strings.Cut(string(b), " ")
		nano, err := strconv.ParseInt(stamp, 36, 64)
		if !ok || err != nil {
			break
		}
		issued := time.Unix(0, nano)
		if time.Until(issued) > maxAhead {
			break
		}
		return payload, issued, i, nil
	}
	return "", time.Time{}, 0, ErrInvalid
}

// name is what securecookie binds the value to.
func name(p Purpose) string { return "mirage:v1:" + string(p) }

// foreign tells the characters that no signed value has. securecookie's base64 skips line ends, for one.
func foreign(r rune) bool {
	return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}
