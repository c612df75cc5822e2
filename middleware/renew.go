package middleware

import (
	"net/http"
	"reflect"

	"github.com/mirage-go/mirage/cookie"
)

// renew signs the id and puts the value where the client expects it.
func (m *Middleware) renew(h http.Header, v *visit, id *Identity) error {
	signed, err := m.o.Codec.SignAt(cookie.ID, id.ID, v.decided)
	if err == nil {
		m.put(h, v, id, signed)
	}
	return err
}

// put puts the signed id into the cookie, unless the client presented it in the query and
// so keeps it itself. It also sets id.Signed for a client that asks.
func (m *Middleware) put(h http.Header, v *visit, id *Identity, signed string) {
	if v.from != fromQuery {
		v.cookie = signed
		m.o.Codec.Put(h, signed)
	}
	if v.asks {
		id.Signed = "~" + signed
	}
}

// Grant sets the cookie that is due. A transport calls it once the link is granted,
// before the response is written. Require has removed the cookie, because a refused link
// must not get one (I15). If no cookie is due, Grant does nothing.
func (id Identity) Grant(w http.ResponseWriter) {
	if v := id.visit; v != nil && v.cookie != "" {
		v.m.o.Codec.Put(w.Header(), v.cookie)
	}
}

// withdraw removes our cookie from h, and reports whether the response then has none of
// ours. A middleware such as http.TimeoutHandler gives the handlers behind it a separate
// header. They must not change the outer header, so a cookie in that one stays.
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
