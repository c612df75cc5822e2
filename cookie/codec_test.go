package cookie_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mirage-go/mirage/cookie"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func key(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func newCodec(t testing.TB, o cookie.Options, keys ...[]byte) *cookie.Codec {
	t.Helper()
	if len(keys) == 0 {
		keys = [][]byte{key('k')}
	}
	c, err := cookie.New(o, keys...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// I2, pitfall 3: securecookie takes a key of one byte, and shows a bad codec on use; New refuses, and says what to do.
func TestI2New(t *testing.T) {
	good, other := key('a'), key('b')
	tests := map[string]struct {
		options cookie.Options
		keys    [][]byte
		err     string // "" means none
	}{
		"one key":              {keys: [][]byte{good}},
		"two keys":             {keys: [][]byte{good, other}},
		"longer key":           {keys: [][]byte{append(good, other...)}},
		"no key":               {err: "32 random bytes"},
		"nil key":              {keys: [][]byte{nil}, err: "key 1 has 0 bytes; give at least 32"},
		"empty key":            {keys: [][]byte{good, {}}, err: "key 2 has 0 bytes"},
		"short key":            {keys: [][]byte{good[:31]}, err: "31 bytes; give at least 32"},
		"the same key twice":   {keys: [][]byte{good, other, good}, err: "key 3 is there twice"},
		"negative age":         {cookie.Options{MaxAge: -1}, [][]byte{good}, "give at least 30m0s"},
		"age of a minute":      {cookie.Options{MaxAge: time.Minute}, [][]byte{good}, "give at least 30m0s"},
		"insecure, embedded":   {cookie.Options{Insecure: true, Embedded: true}, [][]byte{good}, "drop Insecure or Embedded"},
		"embedded":             {cookie.Options{Embedded: true}, [][]byte{good}, ""},
		"the shortest age":     {cookie.Options{MaxAge: 30 * time.Minute}, [][]byte{good}, ""},
		"age of ten years, ok": {cookie.Options{MaxAge: 10 * 365 * 24 * time.Hour}, [][]byte{good}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := cookie.New(test.options, test.keys...)
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			if err != nil && strings.Contains(err.Error(), "aaaa") {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

// I2: the caller may do with its keys what it likes afterwards.
func TestI2KeysAreCopied(t *testing.T) {
	k := key('a')
	c := newCodec(t, cookie.Options{}, k)
	signed, _ := c.Sign(cookie.ID, "ann")
	clear(k)
	if _, _, err := newCodec(t, cookie.Options{}, key('a')).Verify(cookie.ID, signed); err != nil {
		t.Error(err)
	}
	if again, _ := c.Sign(cookie.ID, "ann"); again == "" {
		t.Error("the codec lost its key")
	} else if _, _, err := newCodec(t, cookie.Options{}, key('a')).Verify(cookie.ID, again); err != nil {
		t.Error("the codec signs with the caller's cleared key")
	}
}

// I8: the insecure option is loud, and the literal names of the cookie are right: a typo in the prefix would switch it off.
func TestI8Attributes(t *testing.T) {
	var log bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(old)
	tests := map[string]struct {
		options cookie.Options
		want    string
	}{
		"default":  {cookie.Options{}, "__Host-mirage=*; Path=/; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax"},
		"age":      {cookie.Options{MaxAge: time.Hour}, "__Host-mirage=*; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"},
		"embedded": {cookie.Options{Embedded: true}, "__Host-mirage=*; Path=/; Max-Age=2592000; HttpOnly; Secure; SameSite=None; Partitioned"},
		"insecure": {cookie.Options{Insecure: true}, "mirage=*; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			log.Reset()
			c, h := newCodec(t, test.options), http.Header{}
			signed, err := c.Set(h, "ann")
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Replace(h.Get("Set-Cookie"), signed, "*", 1); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if warned := strings.Contains(log.String(), "level=WARN"); warned != c.Insecure() {
				t.Errorf("warned %v, insecure %v", warned, c.Insecure())
			}
		})
	}
}
