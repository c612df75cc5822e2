package middleware

import (
	"net/url"
	"strings"
	"testing"

	"github.com/mirage-go/mirage/internal/cid"
)

// parseQuery reads the same values as url.ParseQuery, except for malformed and
// contradictory ones.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{
		"", "_mirage=~abc&_cid=abcdefghijklmnopqrstuv&_wait=25", "_mirage", "_mirage=&_mirage=a",
		"a=1&_mirage=%7Ea+b", "_mirage=%zz", "&&=&_wait", "_mirage=a=b", "_cid=a&_cid=b", "_mirage=a;b",
	} {
		f.Add(s)
	}

	f.Fuzz(func(t *testing.T, raw string) {
		q := parseQuery(raw)
		if q.cid != "" && !cid.Valid(q.cid) || q.conflict && q.id != "" || q.id != "" && !q.asks {
			t.Fatalf("%+v contradicts itself", q)
		}

		want, err := url.ParseQuery(raw)
		if err != nil || strings.Contains(raw, "%5") || strings.Contains(raw, "%6") || strings.Contains(raw, "%7") {
			return // it is lenient in other ways, and accepts escaped keys, which no client of ours sends
		}

		if got := want["_mirage"]; q.asks != (len(got) > 0) || len(got) == 1 && q.id != got[0] {
			t.Errorf("%q: id %q, want %q", raw, q.id, got)
		}
		got := want["_cid"]
		if len(got) == 1 && cid.Valid(got[0]) && !strings.ContainsAny(raw, "%") && q.cid != got[0] {
			t.Errorf("%q: cid %q, want %q", raw, q.cid, got)
		}
		if q.wait != want.Has("_wait") {
			t.Errorf("%q: wait %v", raw, q.wait)
		}
	})
}
