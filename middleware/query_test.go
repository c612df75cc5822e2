package middleware

import (
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// parseQuery reads what url.ParseQuery reads, but for what is unreadable or contradicts itself.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{
		"", "_mirage=~abc&_cid=abcdefghijklmnopqrstuv&_wait=25", "_mirage", "_mirage=&_mirage=a", "a=1&_mirage=%7Ea+b", "_mirage=%zz", "&&=&_wait",
		"_mirage=a=b", "_cid=a&_cid=b", "_mirage=a;b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q := parseQuery(raw)
		if q.cid != "" && !isCID(q.cid) || q.conflict && q.id != "" || q.id != "" && !q.asks {
			t.Fatalf("%+v contradicts itself", q)
		}
		want, err := url.ParseQuery(raw)
		if err != nil || strings.Contains(raw, "%5") || strings.Contains(raw, "%6") || strings.Contains(raw, "%7") {
			return // it is lenient in its own way, and takes keys that are escaped; no client of ours does that
		}
		if got := want["_mirage"]; q.asks != (len(got) > 0) || len(got) == 1 && q.id != got[0] {
			t.Errorf("%q: id %q, want %q", raw, q.id, got)
		}
		if got := want["_cid"]; len(got) == 1 && isCID(got[0]) && !strings.ContainsAny(raw, "%") && q.cid != got[0] {
			t.Errorf("%q: cid %q, want %q", raw, q.cid, got)
		}
		if q.wait != want.Has("_wait") {
			t.Errorf("%q: wait %v", raw, q.wait)
		}
	})
}

// I7: what is remembered is bounded; what is used stays, what is not is forgotten after two generations.
func TestI7Remembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m remembered
		beside := pair{from: fromCookie, value: "v"}
		good := token{id: "ann", expires: time.Now().Add(24 * time.Hour)}
		m.put("used", beside, good)
		m.put("unused", beside, good)
		for i := range 3 * maxRemembered {
			m.put(strings.Repeat("x", i%7)+time.Duration(i).String(), beside, good)
			if i%1000 == 0 {
				if _, ok := m.get("used", beside); !ok {
					t.Fatalf("a token in use was forgotten after %d others", i)
				}
			}
			if n := len(m.young) + len(m.older); n > maxRemembered {
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
