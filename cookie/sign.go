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

// Sign signs payload with the first key, as of now. The payload stays readable to everybody.
// Sign fails if the signed value would be longer than MaxValue (a payload of up to 220 bytes
// fits) or if purpose is empty or contains '|'.
func (c *Codec) Sign(purpose Purpose, payload string) (string, error) {
	return c.SignAt(purpose, payload, time.Now())
}

// SignAt is Sign with a given signing time, which Verify and Read return. The session layer
// compares the signing time with revocations. So at must be the Store's time at which the
// request was first looked at, before anything was decided about it (clause I13): a value
// that was signed with a later time would outlive a revocation that happened in between.
// MaxAge is counted from the time of the call, whatever at is. SignAt also fails if at is
// zero, or more than five minutes ahead of this machine's clock: such a value would not
// verify.
func (c *Codec) SignAt(purpose Purpose, payload string, at time.Time) (string, error) {
	switch {
	case purpose == "" || strings.Contains(string(purpose), "|"):
		return "", fmt.Errorf("cookie: %q is no purpose", purpose)
	case at.IsZero():
		return "", errors.New("cookie: the signing time is zero; give the time of the request")
	case isAhead(at):
		return "", fmt.Errorf("cookie: the signing time is over %v ahead of this machine's clock; set the clocks", maxAhead)
	}
	b := make([]byte, 0, 16+len(payload))
	b = strconv.AppendInt(b, at.UnixNano(), 36)
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
		if isAhead(issued) {
			break
		}
		return payload, issued, i, nil
	}
	return "", time.Time{}, 0, ErrInvalid
}

// isAhead reports whether t is too far in the future. It compares wall clocks, as Verify has to.
func isAhead(t time.Time) bool { return time.Until(t.Round(0)) > maxAhead }

// name is what securecookie binds the value to.
func name(p Purpose) string { return "mirage:v1:" + string(p) }

// foreign tells the characters that no signed value has. securecookie's base64 skips line ends, for one.
func foreign(r rune) bool {
	return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}
