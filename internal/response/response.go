// Package response finds out what the http.ResponseWriter of a request can do, through
// whatever middleware has put around it.
package response

import (
	"net/http"
	"reflect"
)

type (
	unwrapper    interface{ Unwrap() http.ResponseWriter }
	errorFlusher interface{ FlushError() error }
)

var (
	writerType       = reflect.TypeFor[http.ResponseWriter]()
	unwrapperType    = reflect.TypeFor[unwrapper]()
	flusherType      = reflect.TypeFor[http.Flusher]()
	errorFlusherType = reflect.TypeFor[errorFlusher]()
	hijackerType     = reflect.TypeFor[http.Hijacker]()
)

// CanFlush reports whether a response through w can be a stream. It looks for the methods
// and calls none, because a flush sends the head.
func CanFlush(w http.ResponseWriter) bool {
	return all(w, func(t reflect.Type) bool { return t.Implements(flusherType) || t.Implements(errorFlusherType) })
}

// CanHijack reports whether the connection of this request can be taken over. HTTP/2 has
// none for one request, and HTTP/1.0 is not worth it. Only net/http's server lets go of a
// connection for good: behind an adaptor, such as fiber's, other requests would follow on
// it.
func CanHijack(w http.ResponseWriter, r *http.Request) bool {
	if r.ProtoMajor != 1 || r.ProtoMinor != 1 {
		return false
	}
	if server, _ := r.Context().Value(http.ServerContextKey).(*http.Server); server == nil {
		return false
	}
	return all(w, func(t reflect.Type) bool { return t.Implements(hijackerType) })
}

// all reports whether each writer from w inwards has what can says of its type, or
// unwraps. To look at w alone is not enough: the writers of gin, echo and gzhttp have
// every method, and panic or do nothing if the one that they wrap, as that of
// http.TimeoutHandler, has not.
func all(w http.ResponseWriter, can func(reflect.Type) bool) bool {
	if isBare(w) {
		return can(reflect.TypeOf(w))
	}
	var l layer
	for l = range inwards(w) {
		if !can(l.writer.Type()) && (!l.unwraps || !l.inner.IsValid()) {
			return false
		}
	}
	return !l.inner.IsValid() // else there are too many
}

// Sent reports whether net/http has been given the head of a response on HTTP/1. A
// middleware may hold it back, and even not let it go with a flush. known is false if
// net/http's writer is not found.
func Sent(w http.ResponseWriter) (sent, known bool) {
	last := reflect.ValueOf(w)
	if !isBare(w) {
		for l := range inwards(w) {
			last = l.writer
		}
	}
	if last.Kind() != reflect.Pointer || last.Type().String() != "*http.response" ||
		last.Type().Elem().PkgPath() != "net/http" {
		return false, false
	}
	wrote := last.Elem().FieldByName("wroteHeader") // there is no other way to learn it
	if !wrote.IsValid() || wrote.Kind() != reflect.Bool {
		return false, false
	}
	return wrote.Bool(), true
}

// Identity says in the head that nobody is to compress the response, where there is an
// old middleware between. Cache-Control: no-transform says so, too, but
// NYTimes/gziphandler, and what was made from it, only looks at Content-Encoding, and
// holds back the first 1400 bytes otherwise.
func Identity(w http.ResponseWriter) {
	if isBare(w) || w.Header().Get("Content-Encoding") != "" {
		return
	}
	for l := range inwards(w) {
		if l.inner.IsValid() && !l.unwraps {
			w.Header()["Content-Encoding"] = identity
		}
	}
}

// Compressed reports whether somebody encodes the response.
func Compressed(h http.Header) bool {
	coding := h.Get("Content-Encoding")
	return coding != "" && coding != identity[0]
}

// identity is shared and never changed.
var identity = []string{"identity"}
