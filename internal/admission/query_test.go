package admission_test

import (
	"net/http/httptest"
	"testing"

	"github.com/mirage-go/mirage/internal/admission"
)

// W2: the header Last-Event-ID takes precedence over the parameter that polyfills send
// instead, and that over _pos. Empty values are ignored.
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
		if got := admission.Position(r); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
