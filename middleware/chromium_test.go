package middleware_test

import (
	"strings"
	"testing"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
)

const (
	acceptPage = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/jxl,image/avif,image/webp," +
		"image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
	userAgent = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) " +
		"Chrome/156.0.0.0 Safari/537.36"
	acceptImage = "Accept: image/jxl,image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
)

// chromium has the headers that Chromium 156 sends for each kind of request, recorded
// from a page. Irrelevant headers are left out. All requests have Chromium's User-Agent,
// and those that a page made have the page as Referer (except WebSockets): the test adds
// these. docs/decisions.md lists the headers that remain over plain http, in Firefox,
// too.
var chromium = []struct {
	name, method, site string
	headers            []string
	identity           bool // the middleware finds one
	require            int  // status of Require, 0 for none
	listed             int  // the same, if http://other.test:8931 is in Origins
	navigation         bool // an id in the query does not count
}{
	// a page of http://localhost:8931 itself
	{"localhost-same: address typed", "GET", "http://localhost:8931", []string{
		"Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", acceptPage,
	}, true, 403, 403, true},
	{"localhost-same: beacon", "POST", "http://localhost:8931", []string{
		"Origin: http://localhost:8931", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: no-cors",
		"Sec-Fetch-Dest: empty", "Accept: */*",
	}, true, 0, 0, false},
	{"localhost-same: eventsource", "GET", "http://localhost:8931", []string{
		"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty",
		"Accept: text/event-stream",
	}, true, 0, 0, false},
	{"localhost-same: fetch", "GET", "http://localhost:8931", []string{
		"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Accept: */*",
	}, true, 0, 0, false},
	{"localhost-same: fetch DELETE", "DELETE", "http://localhost:8931", []string{
		"Origin: http://localhost:8931", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors",
		"Sec-Fetch-Dest: empty", "Accept: */*",
	}, true, 401, 401, false},
	{"localhost-same: fetch POST", "POST", "http://localhost:8931", []string{
		"Origin: http://localhost:8931", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors",
		"Sec-Fetch-Dest: empty", "Accept: */*",
	}, true, 0, 0, false},
	{"localhost-same: fetch no-cors, Accept: event-stream", "GET", "http://localhost:8931", []string{
		"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: empty",
		"Accept: text/event-stream",
	}, true, 0, 0, false},
	{"localhost-same: fetch with our header", "POST", "http://localhost:8931", []string{
		"Origin: http://localhost:8931", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors",
		"Sec-Fetch-Dest: empty", "Accept: */*", "Mirage-Link: t",
	}, false, 401, 401, false},
	{"localhost-same: form", "POST", "http://localhost:8931", []string{
		"Origin: http://localhost:8931", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: navigate",
		"Sec-Fetch-Dest: document", acceptPage,
	}, true, 403, 403, true},
	{"localhost-same: iframe", "GET", "http://localhost:8931", []string{
		"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", acceptPage,
	}, true, 403, 403, true},
	{"localhost-same: img", "GET", "http://localhost:8931", []string{
		"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image", acceptImage,
	}, true, 403, 403, false},
	{"localhost-same: link followed", "GET", "http://localhost:8931", []string{
		"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", acceptPage,
	}, true, 403, 403, true},
	{"localhost-same: prefetch", "GET", "http://localhost:8931", []string{
		"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: empty",
		"Sec-Purpose: prefetch", acceptPage,
	}, true, 403, 403, false},
	{"localhost-same: script", "GET", "http://localhost:8931", []string{
		"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script", "Accept: */*",
	}, true, 403, 403, false},
	{"localhost-same: websocket", "GET", "http://localhost:8931", []string{
		"Origin: http://localhost:8931", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: LX/GDGDQxlqB1JajLtjEDw==",
	}, true, 0, 0, false},
	// a page of http://other.test:8931 asks http://localhost:8931
	{"localhost-cross: beacon", "POST", "http://localhost:8931", []string{
		"Origin: http://other.test:8931", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors",
		"Sec-Fetch-Dest: empty", "Accept: */*",
	}, false, 403, 0, false},
	{"localhost-cross: eventsource", "GET", "http://localhost:8931", []string{
		"Origin: http://other.test:8931", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors",
		"Sec-Fetch-Dest: empty", "Accept: text/event-stream",
	}, false, 403, 0, false},
	{"localhost-cross: fetch", "GET", "http://localhost:8931", []string{
		"Origin: http://other.test:8931", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors",
		"Sec-Fetch-Dest: empty", "Accept: */*",
	}, false, 403, 0, false},
	{"localhost-cross: fetch DELETE", "DELETE", "http://localhost:8931", []string{
		"Origin: http://other.test:8931", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors",
		"Sec-Fetch-Dest: empty", "Accept: */*",
	}, false, 403, 401, false},
	{"localhost-cross: fetch POST", "POST", "http://localhost:8931", []string{
		"Origin: http://other.test:8931", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors",
		"Sec-Fetch-Dest: empty", "Accept: */*",
	}, false, 403, 0, false},
	{"localhost-cross: fetch no-cors, Accept: event-stream", "GET", "http://localhost:8931", []string{
		"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: empty",
		"Accept: text/event-stream",
	}, false, 403, 403, false},
	{"localhost-cross: fetch with our header", "POST", "http://localhost:8931", []string{
		"Origin: http://other.test:8931", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors",
		"Sec-Fetch-Dest: empty", "Accept: */*", "Mirage-Link: t",
	}, false, 403, 401, false},
	{"localhost-cross: form", "POST", "http://localhost:8931", []string{
		"Origin: http://other.test:8931", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate",
		"Sec-Fetch-Dest: document", acceptPage,
	}, false, 403, 403, true},
	{"localhost-cross: iframe", "GET", "http://localhost:8931", []string{
		"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", acceptPage,
	}, false, 403, 403, true},
	{"localhost-cross: img", "GET", "http://localhost:8931", []string{
		"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image", acceptImage,
	}, false, 403, 403, false},
	{"localhost-cross: link followed", "GET", "http://localhost:8931", []string{
		"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", acceptPage,
	}, true, 403, 403, true},
	{"localhost-cross: prefetch", "GET", "http://localhost:8931", []string{
		"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: empty",
		"Sec-Purpose: prefetch", acceptPage,
	}, false, 403, 403, false},
	{"localhost-cross: preflight of fetch DELETE", "OPTIONS", "http://localhost:8931", []string{
		"Origin: http://other.test:8931", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors",
		"Sec-Fetch-Dest: empty", "Accept: */*", "Access-Control-Request-Method: DELETE",
	}, false, 403, 0, false},
	{"localhost-cross: preflight of fetch with our header", "OPTIONS", "http://localhost:8931", []string{
		"Origin: http://other.test:8931", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors",
		"Sec-Fetch-Dest: empty", "Accept: */*", "Access-Control-Request-Method: POST",
		"Access-Control-Request-Headers: content-type,mirage-link",
	}, false, 403, 0, false},
	{"localhost-cross: script", "GET", "http://localhost:8931", []string{
		"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script", "Accept: */*",
	}, false, 403, 403, false},
	{"localhost-cross: websocket", "GET", "http://localhost:8931", []string{
		"Origin: http://other.test:8931", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: LX/GDGDQxlqB1JajLtjEDw==",
	}, false, 403, 0, false},
	// a page of http://plain.test:8931 itself
	{"plain-same: address typed", "GET", "http://plain.test:8931", []string{acceptPage}, true, 403, 403, true},
	{"plain-same: beacon", "POST", "http://plain.test:8931", []string{
		"Origin: http://plain.test:8931", "Accept: */*",
	}, true, 0, 0, false},
	{"plain-same: eventsource", "GET", "http://plain.test:8931", []string{
		"Accept: text/event-stream",
	}, true, 0, 0, false},
	{"plain-same: fetch", "GET", "http://plain.test:8931", []string{"Accept: */*"}, true, 403, 403, false},
	{"plain-same: fetch DELETE", "DELETE", "http://plain.test:8931", []string{
		"Origin: http://plain.test:8931", "Accept: */*",
	}, true, 401, 401, false},
	{"plain-same: fetch POST", "POST", "http://plain.test:8931", []string{
		"Origin: http://plain.test:8931", "Accept: */*",
	}, true, 0, 0, false},
	{"plain-same: fetch no-cors, Accept: event-stream", "GET", "http://plain.test:8931", []string{
		"Accept: text/event-stream",
	}, true, 0, 0, false},
	{"plain-same: fetch with our header", "POST", "http://plain.test:8931", []string{
		"Origin: http://plain.test:8931", "Accept: */*", "Mirage-Link: t",
	}, false, 401, 401, false},
	{"plain-same: form", "POST", "http://plain.test:8931", []string{
		"Origin: http://plain.test:8931", acceptPage,
	}, true, 0, 0, false},
	{"plain-same: iframe", "GET", "http://plain.test:8931", []string{acceptPage}, true, 403, 403, true},
	{"plain-same: img", "GET", "http://plain.test:8931", []string{acceptImage}, true, 403, 403, false},
	{"plain-same: link followed", "GET", "http://plain.test:8931", []string{acceptPage}, true, 403, 403, true},
	{"plain-same: prefetch", "GET", "http://plain.test:8931", []string{
		"Sec-Purpose: prefetch", acceptPage,
	}, true, 403, 403, true},
	{"plain-same: script", "GET", "http://plain.test:8931", []string{"Accept: */*"}, true, 403, 403, false},
	{"plain-same: websocket", "GET", "http://plain.test:8931", []string{
		"Origin: http://plain.test:8931", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: LX/GDGDQxlqB1JajLtjEDw==",
	}, true, 0, 0, false},
	// a page of http://other.test:8931 asks http://plain.test:8931
	{"plain-cross: beacon", "POST", "http://plain.test:8931", []string{
		"Origin: http://other.test:8931", "Accept: */*",
	}, false, 403, 0, false},
	{"plain-cross: eventsource", "GET", "http://plain.test:8931", []string{
		"Origin: http://other.test:8931", "Accept: text/event-stream",
	}, false, 403, 0, false},
	{"plain-cross: fetch", "GET", "http://plain.test:8931", []string{
		"Origin: http://other.test:8931", "Accept: */*",
	}, false, 403, 0, false},
	{"plain-cross: fetch DELETE", "DELETE", "http://plain.test:8931", []string{
		"Origin: http://other.test:8931", "Accept: */*",
	}, false, 403, 401, false},
	{"plain-cross: fetch POST", "POST", "http://plain.test:8931", []string{
		"Origin: http://other.test:8931", "Accept: */*",
	}, false, 403, 0, false},
	{"plain-cross: fetch no-cors, Accept: event-stream", "GET", "http://plain.test:8931", []string{
		"Accept: text/event-stream",
	}, true, 403, 403, false},
	{"plain-cross: fetch with our header", "POST", "http://plain.test:8931", []string{
		"Origin: http://other.test:8931", "Accept: */*", "Mirage-Link: t",
	}, false, 403, 401, false},
	{"plain-cross: form", "POST", "http://plain.test:8931", []string{
		"Origin: http://other.test:8931", acceptPage,
	}, false, 403, 0, false},
	{"plain-cross: iframe", "GET", "http://plain.test:8931", []string{acceptPage}, true, 403, 403, true},
	{"plain-cross: img", "GET", "http://plain.test:8931", []string{acceptImage}, true, 403, 403, false},
	{"plain-cross: prefetch", "GET", "http://plain.test:8931", []string{
		"Sec-Purpose: prefetch", acceptPage,
	}, true, 403, 403, true},
	{"plain-cross: preflight of fetch DELETE", "OPTIONS", "http://plain.test:8931", []string{
		"Origin: http://other.test:8931", "Sec-Fetch-Mode: cors", "Accept: */*",
		"Access-Control-Request-Method: DELETE",
	}, false, 403, 0, false},
	{"plain-cross: preflight of fetch with our header", "OPTIONS", "http://plain.test:8931", []string{
		"Origin: http://other.test:8931", "Sec-Fetch-Mode: cors", "Accept: */*",
		"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type,mirage-link",
	}, false, 403, 0, false},
	{"plain-cross: script", "GET", "http://plain.test:8931", []string{"Accept: */*"}, true, 403, 403, false},
	{"plain-cross: websocket", "GET", "http://plain.test:8931", []string{
		"Origin: http://other.test:8931", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: LX/GDGDQxlqB1JajLtjEDw==",
	}, false, 403, 0, false},
}

// I9: over plain http only the Referer distinguishes a GET of our own page from one that
// another page made the browser send. The rows are requests that Chromium 156 and Firefox
// 153 send, and some that neither lets a page send. e2e.TestI9PlainHTTP makes the same
// requests with real browsers.
func TestI9PlainHTTP(t *testing.T) {
	const (
		host    = "app.example.com:8080"
		firefox = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
		stream  = "Accept: text/event-stream"
	)

	with := func(lines ...string) []string { return append([]string{firefox, stream}, lines...) }
	s := newSite(t, middleware.Options{
		Codec:      newCodec(t, cookie.Options{Insecure: true}),
		OwnOrigins: []string{"http://www.example.com"},
		Origins:    []string{"http://listed.example.com"},
	})

	for name, test := range map[string]struct {
		headers []string
		want    int
	}{
		"our page":                       {with("Referer: http://app.example.com:8080/room?id=7"), 0},
		"our page, Chromium":             {[]string{userAgent, stream, "Referer: http://app.example.com:8080/"}, 0},
		"our page, path that is no URL":  {with("Referer: http://app.example.com:8080/100%"), 0},
		"our page by its other name":     {with("Referer: http://www.example.com/"), 0},
		"our page, https behind a proxy": {with("Referer: https://app.example.com:8080/"), 0},
		"our page, Origin":               {with("Origin: http://app.example.com:8080"), 0},
		"our page, Mirage-Link":          {with("Mirage-Link: new"), 0},
		"our page, WebSocket":            {[]string{firefox, "Sec-WebSocket-Key: x"}, 0},
		"our page, no-referrer":          {with(), 403},
		"our page, empty Mirage-Link":    {with("Mirage-Link: "), 403},
		"our page, image": {[]string{
			firefox, "Accept: image/avif,*/*", "Referer: http://app.example.com:8080/",
		}, 403},
		"our page, fetch without Accept": {[]string{
			firefox, "Accept: */*", "Referer: http://app.example.com:8080/",
		}, 403},
		"another port":                 {with("Referer: http://app.example.com:8081/"), 403},
		"another port, Chromium":       {[]string{userAgent, stream, "Referer: http://app.example.com:8081/"}, 403},
		"default port":                 {with("Referer: http://app.example.com/"), 403},
		"sibling":                      {with("Referer: http://evil.example.com:8080/"), 403},
		"parent":                       {with("Referer: http://example.com:8080/"), 403},
		"name that begins as ours":     {with("Referer: http://app.example.com:8080.evil.com/"), 403},
		"user that is our name":        {with("Referer: http://app.example.com:8080@evil.com/"), 403},
		"user of our name":             {with("Referer: http://evil@app.example.com:8080/"), 403},
		"path that is our name":        {with("Referer: http://evil.com/http://app.example.com:8080/"), 403},
		"query that is our name":       {with("Referer: http://evil.com?http://app.example.com:8080/"), 403},
		"other site, listed or not":    {with("Referer: http://listed.example.com/"), 403},
		"scheme of ours missing":       {with("Referer: app.example.com:8080/"), 403},
		"empty Referer":                {with("Referer: "), 403},
		"a program":                    {[]string{"User-Agent: curl/8.14.1", stream}, 0},
		"a program without User-Agent": {[]string{stream}, 0},
		"a program, foreign Referer": {[]string{
			"User-Agent: Go-http-client/1.1", stream, "Referer: http://evil.com/",
		}, 0},
		"a program that names no stream": {[]string{"User-Agent: curl/8.14.1", "Accept: */*"}, 403},
		"with TLS, foreign": {
			with("Sec-Fetch-Site: same-site", "Referer: http://app.example.com:8080/"),
			403,
		},
		"with TLS, our page, no-referrer": {with("Sec-Fetch-Site: same-origin"), 0},
		"listed page, EventSource":        {with("Origin: http://listed.example.com"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := request("GET", "http://"+host+"/live", append(test.headers, "Cookie: mirage="+s.sign("ann"))...)
			_, v, reached := s.do(r)
			if !reached || statusOf(v.refusal) != test.want {
				t.Errorf("reached %v, %v, want %d", reached, v.refusal, test.want)
			}
			if test.want == 0 && v.ID != "ann" {
				t.Errorf("id %q", v.ID)
			}
		})
	}

	_, v, _ := s.do(request("GET", "http://"+host+"/live", with("Cookie: mirage="+s.sign("ann"))...))
	for _, advice := range []string{"TLS", "Referrer-Policy: same-origin", "Mirage-Link", "Accept: text/event-stream"} {
		if v.refusal == nil || !strings.Contains(v.refusal.Error(), advice) {
			t.Errorf("%v does not say %q", v.refusal, advice)
		}
	}

	// If the site is on https, an http page with our host is not ours: an attacker on the
	// network may have made it (Safari before 16.4 sends no Sec-Fetch-Site).
	secure := newSite(t, middleware.Options{})
	for referer, want := range map[string]int{"https://app.example.com/": 0, "http://app.example.com/": 403} {
		headers := with("Referer: "+referer, withCookie(secure.sign("ann")))
		_, v, _ := secure.do(request("GET", "https://app.example.com/live", headers...))
		if statusOf(v.refusal) != want {
			t.Errorf("https, Referer %s: %v, want %d", referer, v.refusal, want)
		}
	}
}

// I9, I1: a request that a page makes a browser send gets an identity only if the page is
// of our own site, never plants an id by a navigation, and begins a link only as fetch,
// EventSource or WebSocket.
func TestI9Chromium(t *testing.T) {
	for _, test := range chromium {
		t.Run(test.name, func(t *testing.T) {
			insecure := strings.HasPrefix(test.site, "http://plain.test")
			name := cookieName
			if insecure {
				name = "mirage"
			}
			s := newSite(t, middleware.Options{Codec: newCodec(t, cookie.Options{Insecure: insecure})})
			headers := append(test.headers, "Cookie: "+name+"="+s.sign("ann"), userAgent)
			switch {
			case strings.HasSuffix(test.name, "address typed"), strings.HasSuffix(test.name, "websocket"):
			case strings.Contains(test.name, "cross:"):
				headers = append(headers, "Referer: http://other.test:8931/")
			default:
				headers = append(headers, "Referer: "+test.site+"/page?a=b")
			}
			_, v, reached := s.do(request(test.method, test.site+"/rt", headers...))
			if !reached || v.ok != test.identity || statusOf(v.refusal) != test.require {
				t.Errorf("reached %v, identity %v, Require %v; want %v, %d",
					reached, v.ok, v.refusal, test.identity, test.require)
			}
			_, v, _ = s.do(request(test.method, test.site+"/rt?_mirage=~"+s.sign("eve"), headers...))
			if planted := v.ID == "eve"; planted != (test.identity && !test.navigation) {
				t.Errorf("an id in the query counts: %v", planted)
			}

			listed := newSite(t, middleware.Options{Codec: s.codec, Origins: []string{"http://other.test:8931"}})
			res, v, reached := listed.do(request(test.method, test.site+"/rt", headers...))
			if test.method == "OPTIONS" {
				if reached || res.StatusCode != 204 {
					t.Errorf("listed: preflight reached %v, status %d", reached, res.StatusCode)
				}
			} else if statusOf(v.refusal) != test.listed {
				t.Errorf("listed: Require %v, want %d", v.refusal, test.listed)
			}
		})
	}
}
