package middleware

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// I7: the cache is bounded. A token that is used stays, and one that is not is evicted
// after two generations.
func TestI7Remembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m tokenCache
		beside := pair{from: fromCookie, value: "v"}
		good := token{id: "ann", expires: time.Now().Add(24 * time.Hour)}
		m.put("used", beside, good)
		m.put("unused", beside, good)

		for i := range 3 * maxCachedTokens {
			m.put(strings.Repeat("x", i%7)+time.Duration(i).String(), beside, good)
			if i%1000 == 0 {
				if _, ok := m.get("used", beside); !ok {
					t.Fatalf("a token in use was forgotten after %d others", i)
				}
			}
			if n := len(m.young) + len(m.older); n > maxCachedTokens {
				t.Fatalf("%d are remembered", n)
			}
		}
		if _, ok := m.get("unused", beside); ok {
			t.Error("an unused token was not forgotten")
		}

		time.Sleep(time.Hour)
		m.put("a", beside, good)
		time.Sleep(time.Hour)
		m.put("b", beside, good)
		if n := len(m.young) + len(m.older); n != 2 {
			t.Errorf("%d are remembered after two hours", n)
		}
	})
}
