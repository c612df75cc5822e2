package downstream_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/downstream"
)

// L3: a link ends before the context of its request does; where that is over already it ends at once, and 0 would be never.
func TestL3Within(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct{ left, d, want time.Duration }{
			{time.Hour, time.Minute, time.Minute},
			{time.Minute, time.Hour, 59 * time.Second},
			{time.Second, time.Hour, 900 * time.Millisecond},
			{0, time.Hour, 1},
			{-time.Second, time.Hour, 1},
			{-time.Second, 0, 0},
			{time.Hour, 0, 0},
		} {
			ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(tt.left))
			if got := downstream.Within(ctx, tt.d); got != tt.want {
				t.Errorf("%v, of which %v are left: %v, want %v", tt.d, tt.left, got, tt.want)
			}
			cancel()
		}
	})
}

// W2: the header Last-Event-ID goes before the parameter that polyfills send for it, and
// that before _pos. What is empty says nothing.
func TestW2Position(t *testing.T) {
	for _, tt := range []struct{ name, header, query, want string }{
		{"nothing", "", "", ""},
		{"_pos", "", "_pos=e-1", "e-1"},
		{"a polyfill", "", "lastEventId=e-2", "e-2"},
		{"a polyfill, before _pos", "", "_pos=e-1&lastEventId=e-2", "e-2"},
		{"a polyfill that has no id yet", "", "lastEventId=&_pos=e-1", "e-1"},
		{"the header, before both", "e-3", "lastEventId=e-2&_pos=e-1", "e-3"},
		{"an empty header", "", "lastEventId=e-2", "e-2"},
		{"escaped", "", "lastEventId=e%2D2", "e-2"},
		{"badly escaped", "", "lastEventId=%zz&_pos=e-1", "%zz"},
		{"another name", "", "lasteventid=e-2", ""},
	} {
		r := httptest.NewRequest("GET", "/live?"+tt.query, nil)
		r.Header.Set("Last-Event-ID", tt.header)
		if got := downstream.Position(r); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
