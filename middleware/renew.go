package middleware

import (
	"net/http"
	"reflect"

	"github.com/mirage-go/mirage/cookie"
)

// renew signs the id and puts it where its client finds it.
func (m *Middleware) renew(h http.Header, v *visit, id *Identity) error {
	signed, err := m.o.Codec.SignAt(cookie.ID, id.ID, v.decided)
	if err == nil {
		m.put(h, v, id, signed)
	}
	return err
}

// put puts the signed id into the cookie, unless the client keeps its value itself and
// presented one in the query, and into Signed for a client that asks.
func (m *Middleware) put(h http.Header, v *visit, id *Identity, signed string) {
	if v.from != fromQuery {
		v.cookie = signed
		m.o.Codec.Put(h, signed)
	}
	if v.asks {
		id.Signed = "~" + signed
	}
}

// Grant hands out the cookie that is due, before the response is written: a transport
// calls it once the link is granted. Require has taken it back, because no link is
// refused and gets one (I15). Without a cookie that is due it does nothing.
func (id Identity) Grant(w http.ResponseWriter) {
	if v := id.visit; v != nil && v.cookie != "" {
		v.m.o.Codec.Put(w.Header(), v.cookie)
	}
}

// withdraw takes the cookie that was put into h back, and reports whether there is none
// of ours. A middleware such as http.TimeoutHandler has a header of its own for those
// behind it: what was put into the one before is not theirs to change, and stays.
func (v *visit) withdraw(h http.Header) bool {
	switch {
	case v.cookie == "":
		return true
	case reflect.ValueOf(h).UnsafePointer() != reflect.ValueOf(v.header).UnsafePointer():
		return false
	}
	v.m.o.Codec.Withdraw(h)
	return true
}
