package mirage

import (
	"net/http"
	"reflect"
	"testing"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/session"
)

// H1: every option reaches the part that it is for.
func TestH1OptionsReachTheirParts(t *testing.T) {
	var o Options
	set := reflect.ValueOf(&o).Elem()
	for _, field := range set.Fields() {
		fill(field)
	}
	o.Store = struct{ Store }{}
	o.Observer = struct{ Observer }{}
	for name, part := range map[string]any{
		"cookie": o.cookie(), "session": o.session(1), "middleware": o.middleware(&cookie.Codec{}, &session.Manager{}),
	} {
		v := reflect.ValueOf(part)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s.Options.%s is not set", name, v.Type().Field(i).Name)
			}
		}
	}
}

// fill sets v to something that is not its zero value.
func fill(v reflect.Value) {
	switch {
	case v.CanInt():
		v.SetInt(1)
		return
	case v.CanUint():
		v.SetUint(1)
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("x")
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Func:
		v.Set(reflect.MakeFunc(v.Type(), func([]reflect.Value) []reflect.Value { panic("not to be called") }))
	}
}

var _ http.Handler = (*Live)(nil)
