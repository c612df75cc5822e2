package response

import (
	"iter"
	"net/http"
	"reflect"
)

// maxDepth is how many writers are looked at, because a writer may wrap itself.
const maxDepth = 100

// layer is one of the nested writers.
type layer struct {
	writer  reflect.Value
	inner   reflect.Value // the wrapped writer; not valid if there is none
	unwraps bool          // it has the method Unwrap
}

// isBare reports whether w is an unwrapped writer of net/http. It usually is, and the
// check is cheap.
func isBare(w http.ResponseWriter) bool {
	t := reflect.TypeOf(w)
	return t.Kind() == reflect.Pointer && t.Elem().PkgPath() == "net/http"
}

// inwards iterates from w to the innermost writer.
func inwards(w http.ResponseWriter) iter.Seq[layer] {
	return func(yield func(layer) bool) {
		v := reflect.ValueOf(w)
		for range maxDepth {
			next, unwraps := inner(v)
			if !yield(layer{v, next, unwraps}) || !next.IsValid() {
				return
			}
			v = next
		}
	}
}

// inner returns the writer that v wraps: the result of Unwrap, or otherwise the value of
// a field, because most wrappers that are older than Unwrap embed an http.ResponseWriter.
func inner(v reflect.Value) (next reflect.Value, unwraps bool) {
	if v.CanInterface() {
		if u, ok := v.Interface().(unwrapper); ok {
			return reflect.ValueOf(u.Unwrap()), true
		}
	}

	unwraps = v.Type().Implements(unwrapperType)
	s := v
	if s.Kind() == reflect.Pointer {
		s = s.Elem()
	}
	if s.Kind() != reflect.Struct || s.Type().PkgPath() == "net/http" {
		return reflect.Value{}, unwraps
	}

	for _, f := range reflect.VisibleFields(s.Type()) {
		if f.Type.Kind() != reflect.Interface || !f.Type.Implements(writerType) {
			continue
		}
		if field, err := s.FieldByIndexErr(f.Index); err == nil && !field.IsNil() {
			return field.Elem(), unwraps
		}
	}
	return reflect.Value{}, unwraps
}
