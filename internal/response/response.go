// Package response finds out what the http.ResponseWriter of a request can do, even if
// middleware has wrapped it.
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

// CanFlush reports whether a response through w can be a stream. It only looks for the
// methods and calls none, because a flush sends the head.
func CanFlush(w http.ResponseWriter) bool {
	return all(w, func(t reflect.Type) bool { return t.Implements(flusherType) || t.Implements(errorFlusherType) })
}

// CanHijack reports whether the connection of this request can be hijacked. An HTTP/2
// request has no connection of its own, and HTTP/1.0 is not worth it. Only net/http's
// server gives up a connection for good: behind an adaptor, such as fiber's, other
// requests would follow on it.
func CanHijack(w http.ResponseWriter, r *http.Request) bool {
	if r.ProtoMajor != 1 || r.ProtoMinor != 1 {
		return false
	}
	if server, _ := r.Context().Value(http.ServerContextKey).(*http.Server); server == nil {
		return false
	}
	return all(w, func(t reflect.Type) bool { return t.Implements(hijackerType) })
}

// all reports whether can is true for the type of each writer from w inwards, except
// those that unwrap. Looking only at w is not enough: the writers of gin, echo and gzhttp
// have every method, and panic or do nothing if the writer that they wrap, such as that
// of http.TimeoutHandler, does not have it.
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
	return !l.inner.IsValid() // otherwise there are too many writers
}

// Sent reports whether net/http has been given the head of a response on HTTP/1. A
// middleware may hold the head back, even after a flush. known is false if net/http's
// writer is not found.
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
	wrote := last.Elem().FieldByName("wroteHeader") // there is no other way to find out
	if !wrote.IsValid() || wrote.Kind() != reflect.Bool {
		return false, false
	}
	return wrote.Bool(), true
}

// Identity sets Content-Encoding: identity if an old middleware may compress the
// response. Cache-Control: no-transform also forbids compression, but NYTimes/gziphandler
// and its forks look only at Content-Encoding, and otherwise hold back the first 1400
// bytes.
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

// Compressed reports whether a middleware encodes the response.
func Compressed(h http.Header) bool {
	coding := h.Get("Content-Encoding")
	return coding != "" && coding != identity[0]
}

// identity is shared and never changed.
var identity = []string{"identity"}
