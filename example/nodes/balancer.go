package main

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"sync/atomic"
)

// A balancer sends each request to the next node. There are no sticky sessions: a POST
// goes to another node than the stream to which it belongs.
type balancer struct {
	nodes []string
	next  atomic.Uint32
}

func (b *balancer) handler() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetXForwarded() },
		Transport:     b,
		FlushInterval: -1, // events are passed on as they come
		ErrorLog:      log.New(io.Discard, "", 0),
	}
}

// RoundTrip asks the next node that accepts a connection. If a node dies before it
// answers a GET, the next one is asked, as nginx does. Otherwise a page may lack a
// script. mirage.js resends what it sends by POST.
func (b *balancer) RoundTrip(r *http.Request) (res *http.Response, err error) {
	first := int(b.next.Add(1))
	for i := range b.nodes {
		to := r.Clone(r.Context())
		to.URL.Scheme = "http"
		to.URL.Host = b.nodes[(first+i)%len(b.nodes)]
		res, err = http.DefaultTransport.RoundTrip(to)
		var op *net.OpError
		again := r.Method == http.MethodGet || errors.As(err, &op) && op.Op == "dial"
		if err == nil || r.Context().Err() != nil || !again {
			return res, err
		}
	}
	return nil, err
}
