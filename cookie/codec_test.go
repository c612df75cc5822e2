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

// I2: securecookie accepts a key of one byte, and reports a bad codec only when it is
// used. New refuses both and says what to do.
func TestI2New(t *testing.T) {
	type o = cookie.Options
	good, other := key('a'), key('b')
	tests := map[string]struct {
		options o
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
		"the same key twice":   {keys: [][]byte{good, other, good}, err: "key 3 was given twice"},
		"negative age":         {o{MaxAge: -1}, [][]byte{good}, "give at least 30m0s"},
		"age of a minute":      {o{MaxAge: time.Minute}, [][]byte{good}, "give at least 30m0s"},
		"insecure, embedded":   {o{Insecure: true, Embedded: true}, [][]byte{good}, "drop Insecure or Embedded"},
		"embedded":             {o{Embedded: true}, [][]byte{good}, ""},
		"the shortest age":     {o{MaxAge: 30 * time.Minute}, [][]byte{good}, ""},
		"age of ten years, ok": {o{MaxAge: 10 * 365 * 24 * time.Hour}, [][]byte{good}, ""},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := cookie.New(test.options, test.keys...)
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			if err != nil && strings.Contains(err.Error(), "aaaa") {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

// I2: the caller may change its keys afterwards.
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

// I8: a name that browsers or net/http would drop is refused. The error says what to
// write instead.
func TestI8Name(t *testing.T) {
	const longest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	tests := map[string]string{ // name: text in the error, "" means none
		"":                "",
		"mirage":          "",
		"mirage-8080":     "",
		"a":               "",
		longest:           "",
		"__Host":          "",
		"Host-chat":       "",
		longest + "0":     "has 65 bytes; give at most 64",
		"__Host-mirage":   "leave out __Host-",
		"__Secure-mirage": "leave out __Secure-",
		"__Http-mirage":   "leave out __Http-", // current browsers require Secure for it
		"__hOST-mirage":   "leave out __hOST-", // browsers ignore the case of prefixes
		"__Host-":         "leave out __Host-",
		"my chat":         "such as mirage-8080",
		"chat=":           "such as mirage-8080",
		"chat;":           "such as mirage-8080",
		"chat\r\nX: y":    "such as mirage-8080",
		"plauderei-für":   "such as mirage-8080",
		"localhost:8080":  "such as mirage-8080",
	}

	for name, want := range tests {
		_, err := cookie.New(cookie.Options{Name: name}, key('k'))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: error %v, want %q", name, err, want)
		}
	}

	// Of all single bytes, exactly the characters of a token (RFC 6265 §4.1.1) are
	// accepted, and the cookie is read back.
	const symbols = "!#$%&'*+-.^_`|~"
	for b := range 256 {
		name := string([]byte{byte(b)})
		token := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.Contains(symbols, name)
		c, err := cookie.New(cookie.Options{Name: name}, key('k'))
		if (err == nil) != token {
			t.Errorf("%q: error %v, token %v", name, err, token)
		}
		if err != nil {
			continue
		}

		h := http.Header{}
		if _, err := c.Set(h, "ann"); err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
		if p, ok := c.Read(&http.Request{Header: http.Header{"Cookie": {line}}}); !ok || p.ID != "ann" {
			t.Errorf("%q does not come back", line)
		}
	}
}

// I8, I11: Insecure logs a warning, Expire has the attributes of Set, and the literal
// names of the cookie are right. A typo in the prefix would disable its protection.
func TestI8Attributes(t *testing.T) {
	var log bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(old)

	type o = cookie.Options
	const month, hour = "Max-Age=2592000", "Max-Age=3600"
	const lax, plain = "HttpOnly; Secure; SameSite=Lax", "HttpOnly; SameSite=Lax"
	const embedded = "HttpOnly; Secure; SameSite=None; Partitioned"

	tests := map[string]struct {
		options o
		name    string
		age     string
		rest    string
	}{
		"default":              {o{}, "__Host-mirage", month, lax},
		"age":                  {o{MaxAge: time.Hour}, "__Host-mirage", hour, lax},
		"embedded":             {o{Embedded: true}, "__Host-mirage", month, embedded},
		"age, embedded":        {o{MaxAge: time.Hour, Embedded: true}, "__Host-mirage", hour, embedded},
		"insecure":             {o{Insecure: true}, "mirage", month, plain},
		"age, insecure":        {o{MaxAge: time.Hour, Insecure: true}, "mirage", hour, plain},
		"named":                {o{Name: "chat"}, "__Host-chat", month, lax},
		"named, age":           {o{Name: "chat", MaxAge: time.Hour}, "__Host-chat", hour, lax},
		"named, embedded":      {o{Name: "chat", Embedded: true}, "__Host-chat", month, embedded},
		"named, age, embedded": {o{Name: "chat", MaxAge: time.Hour, Embedded: true}, "__Host-chat", hour, embedded},
		"named, insecure":      {o{Name: "chat", Insecure: true}, "chat", month, plain},
		"named, age, insecure": {o{Name: "chat", MaxAge: time.Hour, Insecure: true}, "chat", hour, plain},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			log.Reset()
			c, h := newCodec(t, test.options), http.Header{}
			signed, err := c.Set(h, "ann")
			if err != nil {
				t.Fatal(err)
			}
			want := test.name + "=" + signed + "; Path=/; " + test.age + "; " + test.rest
			if got := h.Get("Set-Cookie"); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}

			c.Expire(h)
			want = test.name + "=; Path=/; Max-Age=0; " + test.rest
			if got := h["Set-Cookie"]; len(got) != 1 || got[0] != want {
				t.Errorf("Expire: got  %q\nwant %s", got, want)
			}

			if warned := strings.Contains(log.String(), "level=WARN"); warned != c.Insecure() {
				t.Errorf("warned %v, insecure %v", warned, c.Insecure())
			}
		})
	}
}
