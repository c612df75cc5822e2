package mirage_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
	"github.com/mirage-go/mirage/transport"
	"github.com/mirage-go/mirage/transport/poll"
	"github.com/mirage-go/mirage/transport/sse"
)

// panics returns the text of New's panic for these options.
func panics(o mirage.Options) (text string) {
	defer func() { text, _ = recover().(string) }()
	_ = mirage.New(o).Shutdown(context.Background())
	return ""
}

// H2: invalid options panic at construction. The text names the option as the caller
// knows it and says what to do.
func TestH2Options(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	key := []byte(strings.Repeat("k", 32))
	type options = mirage.Options

	for name, test := range map[string]struct {
		options
		want []string
	}{
		"no keys": {options{}, []string{
			"mirage: Options.Keys is empty", "/dev/urandom", "ParseKeys", "Insecure",
		}},
		"a store and no keys": {options{Insecure: true, Store: shared{}}, []string{
			"mirage: Options.Keys is empty", "share a store",
		}},
		"a short key": {options{Keys: [][]byte{key[:31]}}, []string{
			"mirage: Options: key 1 has 31 bytes", "at least 32",
		}},
		"one key twice": {options{Keys: [][]byte{key, key}}, []string{
			"mirage: Options: key 2", "give each key once",
		}},
		"insecure and embedded": {options{Insecure: true, Embedded: true}, []string{
			"mirage: Options: Embedded", "drop Insecure",
		}},
		"a name with a prefix": {options{Insecure: true, Name: "__Host-mirage"}, []string{
			"mirage: Options: Name", "leave out",
		}},
		"a name with a space": {options{Insecure: true, Name: "a b"}, []string{
			"mirage: Options: Name", "letters",
		}},
		"a short cookie": {options{Insecure: true, CookieAge: time.Minute}, []string{
			"mirage: Options.CookieAge", "at least 30m",
		}},
		"a link older than a cookie": {options{Insecure: true, CookieAge: time.Hour, LinkAge: time.Hour}, []string{
			"mirage: Options.CookieAge", "lower LinkAge",
		}},
		"unsigned, nobody vouches": {options{Insecure: true, AcceptUnsigned: true}, []string{
			"mirage: Options.AcceptUnsigned needs Options.Validate",
		}},
		"a wildcard origin": {options{Insecure: true, Origins: []string{"https://*.example.com"}}, []string{
			"mirage: Options.Origins", "no wildcard",
		}},
		"negative hooks": {options{Insecure: true, MaxHooks: -1}, []string{
			"mirage: Options.MaxHooks is -1",
		}},
		"a negative hook timeout": {options{Insecure: true, HookTimeout: -1}, []string{
			"mirage: Options.HookTimeout",
		}},
		"ids of one byte": {options{Insecure: true, IDBytes: 1}, []string{
			"mirage: Options.IDBytes is 1", "8 to 64",
		}},
		"negative messages": {options{Insecure: true, MaxMessages: -1}, []string{
			"mirage: Options.MaxMessages is -1", "or 0 for the default",
		}},
		"negative retention": {options{Insecure: true, Retention: -1}, []string{
			"mirage: Options.Retention is -1", "or 0 for the default",
		}},
		"a negative link age": {options{Insecure: true, LinkAge: -1}, []string{
			"mirage: Options.LinkAge is -1", "or 0 for the default",
		}},
		"a negative write timeout": {options{Insecure: true, WriteTimeout: -1}, []string{
			"mirage: Options.WriteTimeout is -1", "or 0 for the default",
		}},
		"a negative batch": {options{Insecure: true, MaxBatch: -1}, []string{
			"mirage: Options.MaxBatch is -1", "or 0 for the default",
		}},
		"no such overflow": {options{Insecure: true, Overflow: 9},
			[]string{"mirage: Options.Overflow is 9", "OverflowRefuse"}},
		"a cookie for ever": {options{Insecure: true, CookieAge: math.MaxInt64},
			[]string{"mirage: Options.CookieAge", "at most 100 years"}},
		"a negative hold": {options{Insecure: true, Transport: transport.Options{Poll: poll.Options{Hold: -1}}},
			[]string{"mirage: Options.Transport.Poll.Hold is -1ns", "or 0 for 25s"}},
		"a negative retry": {options{Insecure: true, Transport: transport.Options{SSE: sse.Options{Retry: -1}}},
			[]string{"mirage: Options.Transport.SSE.Retry is -1ns"}},
		"a message above its log": {options{Insecure: true, MaxMessageSize: 2 << 20}, []string{
			"mirage: Options", "raise MaxBytes",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			test.Logger = quiet
			text := panics(test.options)
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("panic %q, want %q in it", text, want)
				}
			}
			if strings.Contains(text, "kkkk") {
				t.Errorf("the panic shows a key: %q", text)
			}
		})
	}
}

// shared is a Store that is not in memory.
type shared struct{ store.Store }

// H2: without keys, ids are signed with a random key. This is for development in memory
// only, and is logged once.
func TestH2RandomKey(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	for name, kept := range map[string]mirage.Store{
		"no store":          nil,
		"the default store": memory.New(memory.Options{}),
	} {
		t.Run(name, func(t *testing.T) {
			log.Reset()
			live := newLive(t, mirage.Options{Store: kept, Logger: logger})
			if n := strings.Count(log.String(), "random key"); n != 1 {
				t.Errorf("warned %d times: %s", n, log.String())
			}
			signed, err := live.Codec().Sign(cookie.ID, "ann")
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := newLive(t, mirage.Options{}).Codec().Verify(cookie.ID, signed); err == nil {
				t.Error("two random keys are one")
			}
		})
	}
}

// H1: keys are parsed from the text of a secret. An error never contains one.
func TestH1ParseKeys(t *testing.T) {
	a := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("a", 32)))
	b := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("b", 48)))

	for name, test := range map[string]struct {
		text string
		keys int
		err  string
	}{
		"one":             {a, 1, ""},
		"a line end":      {a + "\n", 1, ""},
		"two, spaces":     {a + " " + b, 2, ""},
		"two, a comma":    {a + "," + b, 2, ""},
		"two, CR LF":      {a + "\r\n" + b + "\r\n", 2, ""},
		"empty":           {"", 0, "no key"},
		"blank":           {" \n", 0, "no key"},
		"not base64":      {a + " secret!", 0, "key 2 is not base64"},
		"too short":       {"c2hvcnQ=", 0, "key 1 is not base64 of at least 32"},
		"without padding": {strings.TrimRight(a, "="), 0, "key 1 is not base64"},
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := mirage.ParseKeys(test.text)
			if len(keys) != test.keys || (err == nil) != (test.err == "") ||
				err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("%d keys, %v; want %d, %q", len(keys), err, test.keys, test.err)
			}
			if err != nil &&
				(strings.Contains(err.Error(), "secret!") || !strings.Contains(err.Error(), "/dev/urandom")) {
				t.Errorf("error %q", err)
			}
		})
	}
}

// H1: every option of the parts has a field here, under the same name, except for those
// below.
func TestH1EveryOption(t *testing.T) {
	here := reflect.TypeFor[mirage.Options]()
	elsewhere := map[string]string{ // name in a part: name here; "" if New sets it itself
		"cookie.MaxAge": "CookieAge", "middleware.Timeout": "HookTimeout",
		"middleware.Codec": "", "middleware.Sessions": "", "session.Remember": "",
	}
	for part, options := range map[string]reflect.Type{
		"cookie":     reflect.TypeFor[cookie.Options](),
		"middleware": reflect.TypeFor[middleware.Options](),
		"session":    reflect.TypeFor[session.Options](),
	} {
		for field := range options.Fields() {
			name, renamed := elsewhere[part+"."+field.Name]
			if !renamed {
				name = field.Name
			}
			if name == "" {
				continue
			}
			if got, ok := here.FieldByName(name); !ok || got.Type != field.Type {
				t.Errorf("%s.Options.%s has no field %s of its type in mirage.Options", part, field.Name, name)
			}
		}
	}
}
