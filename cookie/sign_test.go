package cookie_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/securecookie"

	"github.com/mirage-go/mirage/cookie"
)

// I2: Verify returns the payload and the signing time, only for its purpose and its keys.
func TestI2Verify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCodec(t, cookie.Options{})
		time.Sleep(123456789) // a time with a fraction: Revoke compares it
		now := time.Now()
		signed, err := c.Sign(cookie.ID, "ann")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		payload, issued, err := c.Verify(cookie.ID, signed)
		if err != nil || payload != "ann" || !issued.Equal(now) {
			t.Errorf("%q, %v, %v; want ann, %v", payload, issued, err, now)
		}
		if strings.Trim(signed, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("%q has to be escaped somewhere", signed)
		}
		invalid(t, "another purpose", c, cookie.Link, signed)
		invalid(t, "another key", newCodec(t, cookie.Options{}, key('x')), cookie.ID, signed)
	})
}

func invalid(t *testing.T, what string, c *cookie.Codec, p cookie.Purpose, signed string) {
	t.Helper()
	if payload, _, err := c.Verify(p, signed); !errors.Is(err, cookie.ErrInvalid) || payload != "" {
		t.Errorf("%s: %q, %v; want ErrInvalid", what, payload, err)
	}
}

// I2: whatever is wrong with a value, the error is the same and does not contain the
// value. Loose spellings that securecookie accepts do not verify.
func TestI2Malformed(t *testing.T) {
	c := newCodec(t, cookie.Options{}, key('a'), key('b'))
	signed, _ := c.Sign(cookie.ID, "ann")
	for name, value := range map[string]string{
		"empty":           "",
		"garbage":         "garbage",
		"one character":   "A",
		"padded":          signed + "=",
		"line end inside": signed[:9] + "\n" + signed[9:],
		"line end behind": signed + "\r\n",
		"cut":             signed[:len(signed)-2],
		"too long":        strings.Repeat("A", cookie.MaxValue+1),
		"far too long":    strings.Repeat("A", 100_000),
		"space":           " " + signed,
		"other alphabet":  signed[:9] + "+/" + signed[11:],
		"NUL":             signed + "\x00",
		"twice":           signed + signed,
		"not UTF-8":       "\xff" + signed,
	} {
		invalid(t, name, c, cookie.ID, value)
	}
	if _, _, err := c.Verify(cookie.ID, "secret-value"); strings.Contains(err.Error(), "secret-value") {
		t.Errorf("the error shows the value: %v", err)
	}
}

// Pitfall 7: a value that another program signed with the same key and its own name does
// not verify, and neither does a malformed payload under our own name.
func TestI2OtherUsersOfTheKey(t *testing.T) {
	c := newCodec(t, cookie.Options{})
	theirs := securecookie.New(key('k'), nil).SetSerializer(securecookie.NopEncoder{})
	for name, payload := range map[string]string{
		"session": "1 ann", "id": "1 ann", "mirage:v1:link": "1 ann", "mirage:v1:id": "ann", "__Host-mirage": "1 ann",
	} {
		value, err := theirs.Encode(name, []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		invalid(t, name, c, cookie.ID, strings.TrimRight(value, "="))
	}
}

// I2: MaxAge is enforced by the signature, not only by the cookie, and a value from the
// future is not valid for longer.
func TestI2Age(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCodec(t, cookie.Options{MaxAge: time.Hour})
		signed, _ := c.Sign(cookie.ID, "ann")
		time.Sleep(time.Hour) // exactly as old as allowed
		if _, _, err := c.Verify(cookie.ID, signed); err != nil {
			t.Error("expired too early")
		}
		time.Sleep(time.Second)
		invalid(t, "expired", c, cookie.ID, signed)
	})
}

// I2: a node's clock may be some minutes ahead. A value from further in the future would
// be valid for longer than MaxAge.
func TestI2Ahead(t *testing.T) {
	c := newCodec(t, cookie.Options{})
	var ahead, far string
	synctest.Test(t, func(t *testing.T) { // a node whose clock is ahead of that below
		time.Sleep(5 * time.Minute)
		ahead, _ = c.Sign(cookie.ID, "ann")
		time.Sleep(time.Second)
		far, _ = c.Sign(cookie.ID, "ann")
	})
	synctest.Test(t, func(t *testing.T) {
		if _, _, err := c.Verify(cookie.ID, ahead); err != nil {
			t.Errorf("five minutes ahead: %v", err)
		}
		invalid(t, "further ahead", c, cookie.ID, far)
	})
}

// I13: SignAt's time is the signing time, to the nanosecond, and does not change how long
// the value is valid.
func TestI13SignAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCodec(t, cookie.Options{MaxAge: time.Hour})
		for name, d := range map[string]time.Duration{
			"now":                    0,
			"a nanosecond ago":       -1,
			"a request that waited":  -5 * time.Second,
			"before the value's age": -2 * time.Hour,
			"another node's clock":   5 * time.Minute,
		} {
			at := time.Now().Add(d)
			signed, err := c.SignAt(cookie.ID, "ann", at)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if payload, got, err := c.Verify(cookie.ID, signed); err != nil || payload != "ann" || !got.Equal(at) {
				t.Errorf("%s: %q, %v, %v; want %v", name, payload, got, err, at)
			}
			if p, ok := c.Read(withCookies(signed)); !ok || !p.Signed.Equal(at) {
				t.Errorf("%s: Read has %v, ok %v; want %v", name, p.Signed, ok, at)
			}
		}

		// MaxAge is counted from the call.
		signed, err := c.SignAt(cookie.ID, "ann", time.Now().Add(-30*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if _, _, err := c.Verify(cookie.ID, signed); err != nil {
			t.Error("MaxAge was counted from the signing time")
		}
		time.Sleep(time.Second)
		invalid(t, "older than MaxAge", c, cookie.ID, signed)
	})
}

// I13: the Store's clock may differ a lot from this machine's, for example after it was
// set. Values are still signed and still verify, and their signing time is the Store's.
func TestI13ClocksApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCodec(t, cookie.Options{})
		for _, off := range []time.Duration{-time.Hour, time.Hour, 24 * time.Hour} {
			at := time.Now().Add(off)
			signed, err := c.SignAt(cookie.ID, "ann", at)
			if err != nil {
				t.Fatal(err)
			}
			if _, issued, err := c.Verify(cookie.ID, signed); err != nil || !issued.Equal(at) {
				t.Errorf("%v off: signed at %v, %v; want %v", off, issued, err, at)
			}
		}
	})
}

// I13: SignAt returns an error rather than a value that no revocation could be compared
// with.
func TestI13SignAtBounds(t *testing.T) {
	c := newCodec(t, cookie.Options{})
	for name, at := range map[string]time.Time{
		// As nanoseconds these are long past.
		"zero":       {},
		"year 2300":  time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC),
		"far beyond": time.Unix(1<<60, 0),
	} {
		signed, err := c.SignAt(cookie.ID, "ann", at)
		if err == nil || signed != "" || !strings.Contains(err.Error(), "between 1970 and 2262") {
			t.Errorf("%s: %q, error %v", name, signed, err)
		}
	}
}

// I2: keys are changed in three steps, and at each step every node verifies the values
// that every other node signs.
func TestI2Rotation(t *testing.T) {
	old, young := key('o'), key('y')
	steps := [][][]byte{{old}, {old, young}, {young, old}, {young}}
	for i := range len(steps) - 1 {
		a, b := newCodec(t, cookie.Options{}, steps[i]...), newCodec(t, cookie.Options{}, steps[i+1]...)
		for _, pair := range [][2]*cookie.Codec{{a, b}, {b, a}} {
			signed, _ := pair[0].Sign(cookie.ID, "ann")
			if _, _, err := pair[1].Verify(cookie.ID, signed); err != nil {
				t.Errorf("between step %d and %d: %v", i, i+1, err)
			}
		}
	}
}

// Pitfall 5: Sign does not change the payload, and returns an error rather than a value
// that would not verify.
func TestI2SignBounds(t *testing.T) {
	c := newCodec(t, cookie.Options{})
	for n := range 600 {
		payload := strings.Repeat("x", n)
		signed, err := c.Sign(cookie.ID, payload)
		if err != nil {
			if n <= 220 {
				t.Errorf("%d bytes: %v", n, err)
			}
			continue
		}
		if got, _, err := c.Verify(cookie.ID, signed); err != nil || got != payload || len(signed) > cookie.MaxValue {
			t.Fatalf("%d bytes: signed %d, %v", n, len(signed), err)
		}
	}
	for _, p := range []cookie.Purpose{"", "a|b"} {
		if _, err := c.Sign(p, "x"); err == nil {
			t.Errorf("purpose %q was taken", p)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	c := newCodec(t, cookie.Options{}, key('a'), key('b'))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				signed, _ := c.Sign(cookie.ID, "ann")
				if _, _, err := c.Verify(cookie.ID, signed); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzVerify(f *testing.F) {
	c := newCodec(f, cookie.Options{}, key('a'), key('b'))
	signed, _ := c.Sign(cookie.ID, "ann")
	for _, s := range []string{"", signed, signed + "=", signed[1:], "~" + signed, strings.Repeat("A", 600)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		// The fuzzer cannot sign, so any value that verifies is a spelling of one that we
		// signed.
		if payload, _, err := c.Verify(cookie.ID, s); err == nil && payload != "ann" {
			t.Errorf("%q verifies as %q", s, payload)
		}
	})
}
