package cookie

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/securecookie"
)

const (
	// MaxValue is the length in bytes of the longest signed value. A longer one does not
	// verify and costs no MAC.
	MaxValue = 512

	minKey = 32
	// A default link lives for up to 12 minutes, and a cookie must be good for twice that
	// (I8).
	minAge     = 30 * time.Minute
	maxAge     = 100 * 365 * 24 * time.Hour // for so long revocations can be remembered
	defaultAge = 30 * 24 * time.Hour

	defaultName = "mirage"
	maxName     = 64
	hostPrefix  = "__Host-"
)

// Options say how the cookie is kept. The zero value is right for a site on https (and
// for http://localhost in most browsers).
type Options struct {
	// Name is the cookie's name without prefix: the cookie is __Host-<Name>, or <Name>
	// with Insecure. Cookies ignore ports (RFC 6265 §8.5), so two programs on one host,
	// each on its own port, would overwrite each other's cookie, and with it each other's
	// sessions: give each program a name of its own, and all nodes of one program the
	// same name. A changed name makes a new visitor of everybody. It is part of what is
	// signed, too, so that no value of one program is good in another that has the same
	// keys. A name has at most 64 of the characters [A-Za-z0-9] and !#$%&'*+-.^_`|~. Zero
	// means "mirage".
	Name string
	// MaxAge is how long a signed value, and so the cookie, is good. It must be at least
	// 30 minutes, and twice as long as a link may live, because a cookie that expires
	// under an open stream is missing at the next refresh. Zero means 30 days.
	MaxAge time.Duration
	// Insecure drops the __Host- prefix and Secure, so that the cookie works over
	// plain http: for development. Whoever can read or change the traffic then has the
	// id. New warns.
	Insecure bool
	// Embedded makes the cookie SameSite=None and Partitioned: for pages that
	// live in frames of other sites. Each embedding site then has its own id for
	// the same visitor.
	Embedded bool
	// Logger gets the warning about Insecure. Nil means slog.Default().
	Logger *slog.Logger
}

// A Codec signs and verifies values and keeps the id in a cookie. It is safe for
// concurrent use and holds no state but its keys.
type Codec struct {
	codecs  []*securecookie.SecureCookie
	options Options
	name    string
}

// New returns a Codec for these keys: the first one signs, all verify. A key has 32 bytes
// or more and is copied. New fails if a key is missing, too short or there twice, if an
// option is out of its range or contradicts another one, or if any of the keys cannot
// verify what it signed.
func New(o Options, keys ...[]byte) (*Codec, error) {
	if o.MaxAge == 0 {
		o.MaxAge = defaultAge
	}
	if o.Name == "" {
		o.Name = defaultName
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}

	if err := checkName(o.Name); err != nil {
		return nil, err
	}
	switch {
	case o.MaxAge < minAge:
		return nil, fmt.Errorf("cookie: MaxAge is %v; give at least %v, or 0 for 30 days", o.MaxAge, minAge)
	case o.MaxAge > maxAge:
		return nil, fmt.Errorf("cookie: MaxAge is %v; give at most 100 years, or 0 for 30 days", o.MaxAge)
	case o.Insecure && o.Embedded:
		return nil, errors.New("cookie: Embedded needs SameSite=None, which browsers take over https only; " +
			"drop Insecure or Embedded")
	case len(keys) == 0:
		return nil, errors.New("cookie: no key; give one of 32 random bytes")
	}

	c := &Codec{options: o, name: hostPrefix + o.Name}
	if o.Insecure {
		c.name = o.Name
		o.Logger.Warn("cookie: Insecure is set: the mirage id travels readable for everybody on the way; " +
			"use it for development only")
	}

	for i, key := range keys {
		if err := checkKey(keys[:i], key); err != nil {
			return nil, fmt.Errorf("cookie: key %d %w", i+1, err)
		}
		codec := securecookie.New(bytes.Clone(key), nil).
			SetSerializer(securecookie.NopEncoder{}).MaxAge(int(o.MaxAge / time.Second)).MaxLength(MaxValue)
		if err := roundTrip(codec); err != nil {
			return nil, fmt.Errorf("cookie: key %d cannot verify what it signed: %w", i+1, err)
		}
		c.codecs = append(c.codecs, codec)
	}

	return c, nil
}

// Name is the name of the cookie, with its prefix.
func (c *Codec) Name() string { return c.name }

// MaxAge is how long a signed value is good.
func (c *Codec) MaxAge() time.Duration { return c.options.MaxAge }

// Insecure tells whether the cookie goes over plain http.
func (c *Codec) Insecure() bool { return c.options.Insecure }

// checkName refuses what browsers or net/http would silently drop: a name that is no
// token, and one with a prefix that browsers tie to attributes (they compare prefixes
// without regard to case).
func checkName(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("cookie: Name has %d bytes; give at most %d", len(name), maxName)
	}
	if err := (&http.Cookie{Name: name}).Valid(); err != nil {
		return fmt.Errorf(
			"cookie: Name is %q; write it with letters, digits, '-', '_' and '.', such as mirage-8080", name)
	}

	for _, prefix := range []string{hostPrefix, "__Secure-", "__Http-"} {
		if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			return fmt.Errorf("cookie: Name is %q; leave out %s, New adds the prefix that fits",
				name, name[:len(prefix)])
		}
	}

	return nil
}

func checkKey(before [][]byte, key []byte) error {
	if len(key) < minKey {
		return fmt.Errorf("has %d bytes; give at least %d from crypto/rand", len(key), minKey)
	}
	for _, b := range before {
		if bytes.Equal(b, key) {
			return errors.New("is there twice; give each key once")
		}
	}
	return nil
}

// roundTrip proves a codec at construction, because securecookie reports a bad one only
// on use.
func roundTrip(codec *securecookie.SecureCookie) error {
	signed, err := codec.Encode("probe", []byte("probe"))
	if err != nil {
		return err
	}
	var got []byte
	return codec.Decode("probe", signed, &got)
}
