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
	// MaxValue is the maximum length of a signed value in bytes. A longer one does not
	// verify, and no MAC is computed for it.
	MaxValue = 512

	minKey = 32
	// A link lives for up to 12 minutes by default, and a cookie must be valid for twice
	// that (I8).
	minAge     = 30 * time.Minute
	maxAge     = 100 * 365 * 24 * time.Hour // revocations can be remembered for at most this long
	defaultAge = 30 * 24 * time.Hour

	defaultName = "mirage"
	maxName     = 64
	hostPrefix  = "__Host-"
)

// Options configure the cookie. The zero value is right for a site on https (and for
// http://localhost in most browsers).
type Options struct {
	// Name is the cookie's name without prefix: the cookie is __Host-<Name>, or <Name>
	// with Insecure. Cookies ignore ports (RFC 6265 §8.5). Two programs on different
	// ports of one host would overwrite each other's cookies and so lose each other's
	// sessions. Give each program its own name, and all nodes of one program the same
	// name. If you change the name, every visitor gets a new id. The name is also part of
	// what is signed, so a value of one program does not verify in another that has the
	// same keys. A name has at most 64 characters of [A-Za-z0-9] and !#$%&'*+-.^_`|~, and
	// does not begin with __Host-, __Secure- or __Http-, in upper or lower case. Empty
	// means "mirage".
	Name string
	// MaxAge is how long a signed value, and so the cookie, is valid. It must be between
	// 30 minutes and 100 years. It should be at least twice as long as a link may live,
	// which New cannot check: a cookie that expires while a stream is open is missing at
	// the next reload. Zero means 30 days.
	MaxAge time.Duration
	// Insecure omits the __Host- prefix and the Secure attribute, so that the cookie
	// works over plain http. It is for development: anybody who can read or change the
	// traffic then has the id. New logs a warning.
	Insecure bool
	// Embedded makes the cookie SameSite=None and Partitioned, for pages that other sites
	// embed in frames. The same visitor then has a different id on each embedding site.
	// Embedded requires https: New returns an error if Insecure is also set.
	Embedded bool
	// Logger receives the warning about Insecure. Nil means slog.Default().
	Logger *slog.Logger
}

// A Codec signs and verifies values and keeps the id in a cookie. It is safe for
// concurrent use and has no state other than its keys.
type Codec struct {
	codecs  []*securecookie.SecureCookie
	options Options
	name    string
}

// New returns a Codec for these keys: the first one signs, all verify. Each key has at
// least 32 bytes and is copied. New returns an error if there is no key, if a key is too
// short or given twice, if an option is out of range or contradicts another one, or if a
// key cannot verify what it signed.
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
		return nil, errors.New("cookie: Embedded needs SameSite=None, which browsers accept only over https; " +
			"drop Insecure or Embedded")
	case len(keys) == 0:
		return nil, errors.New("cookie: no key; give one of 32 random bytes")
	}

	c := &Codec{options: o, name: hostPrefix + o.Name}
	if o.Insecure {
		c.name = o.Name
		o.Logger.Warn("cookie: Insecure is set: anybody on the network can read the mirage id; " +
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

// Name returns the name of the cookie, with its prefix.
func (c *Codec) Name() string { return c.name }

// MaxAge returns how long a signed value is valid.
func (c *Codec) MaxAge() time.Duration { return c.options.MaxAge }

// Insecure reports whether the cookie is sent over plain http.
func (c *Codec) Insecure() bool { return c.options.Insecure }

// checkName refuses names whose cookies browsers or net/http would silently drop: a name
// that is not a token, and one with a prefix that requires certain attributes. Browsers
// ignore the case of prefixes.
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
			return errors.New("was given twice; give each key once")
		}
	}
	return nil
}

// roundTrip checks a codec at construction, because securecookie reports a bad one only
// when it is used.
func roundTrip(codec *securecookie.SecureCookie) error {
	signed, err := codec.Encode("probe", []byte("probe"))
	if err != nil {
		return err
	}
	var got []byte
	return codec.Decode("probe", signed, &got)
}
