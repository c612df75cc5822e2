package cookie

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Purpose is what a value is signed for. The value verifies only for that purpose. A
// Purpose is not empty and does not contain '|'.
type Purpose string

// The purposes of Mirage itself.
const (
	ID   Purpose = "id"   // a mirage id, in the cookie or the query
	Link Purpose = "link" // a link token
)

// ErrInvalid is the error of Verify: the value is forged, expired, signed for another
// purpose or by another key, or not a signed value at all. The error does not say which,
// and never contains the value.
var ErrInvalid = errors.New("cookie: the value does not verify")

// maxAhead is how far the clock of the node that signed may be ahead of ours. A value
// from further in the future does not verify. securecookie alone would accept it, and it
// would be valid for longer than MaxAge.
const maxAhead = 5 * time.Minute

// Sign signs payload with the first key and the current time. The payload is not
// encrypted. Sign returns an error if the signed value would be longer than MaxValue (a
// payload of up to 220 bytes fits), or if purpose is empty or contains '|'.
func (c *Codec) Sign(purpose Purpose, payload string) (string, error) {
	return c.SignAt(purpose, payload, time.Now())
}

// SignAt is like Sign with a given signing time, which Verify and Read return. The
// session layer compares the signing time with revocations. So at must be the Store's
// time when the request was first looked at, before anything was decided about it (clause
// I13). A value with a later time would survive a revocation that happened in between.
// MaxAge counts from the call, by this machine's clock, whatever at is: the Store's clock
// may differ. SignAt also returns an error if at is before 1970 or after 2261.
func (c *Codec) SignAt(purpose Purpose, payload string, at time.Time) (string, error) {
	switch {
	case purpose == "" || strings.Contains(string(purpose), "|"):
		return "", fmt.Errorf("cookie: %q is not a purpose: it must not be empty or contain '|'", purpose)
	case at.Year() < 1970 || at.Year() > 2261:
		return "", errors.New("cookie: the signing time is not between 1970 and 2262; give the time of the request")
	}

	b := make([]byte, 0, 16+len(payload))
	b = strconv.AppendInt(b, at.UnixNano(), 36)
	b = append(b, ' ')
	b = append(b, payload...)

	signed, err := c.codecs[0].Encode(c.bound(purpose), b)
	if err != nil {
		return "", fmt.Errorf("cookie: sign %s: %w", purpose, err)
	}
	return strings.TrimRight(signed, "="), nil // padding would have to be escaped in a query
}

// Verify returns the payload that was signed for purpose, and its signing time. The error
// is ErrInvalid, whatever is wrong with signed. Verify tolerates a signer whose clock is
// up to five minutes ahead.
func (c *Codec) Verify(purpose Purpose, signed string) (payload string, issued time.Time, err error) {
	payload, issued, _, err = c.verify(purpose, signed)
	return payload, issued, err
}

// verify also returns the index of the key that signed. It tries the codecs one by one:
// securecookie.DecodeMulti costs more, and its MultiError hides what went wrong.
func (c *Codec) verify(purpose Purpose, signed string) (payload string, issued time.Time, key int, err error) {
	if signed == "" || len(signed) > MaxValue || strings.IndexFunc(signed, foreign) >= 0 {
		return "", time.Time{}, 0, ErrInvalid
	}

	padded := signed + "==="[:-len(signed)&3]
	for i, codec := range c.codecs {
		var b []byte
		if codec.Decode(c.bound(purpose), padded, &b) != nil {
			continue
		}

		stamp, payload, ok := strings.Cut(string(b), " ")
		nano, err := strconv.ParseInt(stamp, 36, 64)
		if !ok || err != nil {
			break
		}
		if isAhead(padded) {
			break
		}
		return payload, time.Unix(0, nano), i, nil
	}

	return "", time.Time{}, 0, ErrInvalid
}

// isAhead reports whether a value that verified was signed too far in the future, by the
// clock of the machine that signed it. securecookie writes that time in front of the
// value, in seconds, and counts MaxAge from it, but does not return it.
func isAhead(signed string) bool {
	text, err := base64.URLEncoding.DecodeString(signed)
	seconds, _, _ := strings.Cut(string(text), "|")
	at, no := strconv.ParseInt(seconds, 10, 64)
	return err != nil || no != nil || time.Until(time.Unix(at, 0)) > maxAhead
}

// bound returns the name to which securecookie binds the value. A cookie name never
// contains a parenthesis.
func (c *Codec) bound(p Purpose) string {
	if c.options.Name == defaultName {
		return "mirage:v1:" + string(p)
	}
	return "mirage:v1(" + c.options.Name + "):" + string(p)
}

// foreign reports whether r never occurs in a signed value. securecookie's base64 decoder
// skips line ends, for example.
func foreign(r rune) bool {
	return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}
