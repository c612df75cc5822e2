package miragetest

import (
	"context"
	"net"
	"net/http"
)

const userAgent = "Mozilla/5.0 (X11; Linux x86_64) miragetest"

// A browser sends requests with the headers of a browser.
type browser struct {
	v         *Visitor
	page      bool // navigations and forms; otherwise requests of scripts
	transport *http.Transport
}

// browse returns a client of the visitor's browser.
func (v *Visitor) browse(page bool, dial func(context.Context, string, string) (net.Conn, error)) *http.Client {
	b := &browser{v: v, page: page, transport: &http.Transport{DialContext: dial, DisableCompression: true}}
	return &http.Client{Transport: b, Jar: v.jar, CheckRedirect: b.checkRedirect}
}

// checkRedirect stays at the site: the test sees a redirect that leads elsewhere.
func (b *browser) checkRedirect(r *http.Request, via []*http.Request) error {
	if r.URL.Host != via[0].URL.Host || len(via) >= 10 {
		return http.ErrUseLastResponse
	}
	return nil
}

// CloseIdleConnections is called by http.Client.
func (b *browser) CloseIdleConnections() { b.transport.CloseIdleConnections() }

// RoundTrip adds headers to a request, or to one hop of it.
func (b *browser) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	b.v.mu.Lock()
	for name, values := range b.v.header {
		setDefault(r.Header, name, values...)
	}
	b.v.mu.Unlock()
	b.addHeaders(r)

	resp, err := b.transport.RoundTrip(r)
	if err == nil && (b.page || resp.StatusCode >= 300) {
		b.v.story.add("%s %s: %d", r.Method, r.URL.Path, resp.StatusCode)
	}
	return resp, err
}

// addHeaders adds what a browser says about a request by itself. On localhost it does so
// without TLS, too.
func (b *browser) addHeaders(r *http.Request) {
	h, own := r.Header, b.v.s.url
	isSocket := h.Get("Upgrade") != ""
	isQuiet := (r.Method == http.MethodGet || r.Method == http.MethodHead) && !isSocket
	setDefault(h, "User-Agent", userAgent)
	if isQuiet {
		h.Del("Content-Type") // after a redirect
	}

	site, mode, dest := "same-origin", "cors", "empty"
	switch origin := h.Get("Origin"); {
	case origin != "" && origin != own: // the test plays a page of another site
		site = "cross-site"
	case !isQuiet:
		h.Set("Origin", own)
		setDefault(h, "Referer", own+"/")
	case b.page:
		site = "none" // somebody has typed the address
	default:
		setDefault(h, "Referer", own+"/")
	}
	switch {
	case isSocket:
		mode, dest = "websocket", "websocket"
	case b.page:
		mode, dest = "navigate", "document"
		setDefault(h, "Sec-Fetch-User", "?1")
		setDefault(h, "Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	default:
		setDefault(h, "Accept", "*/*")
	}
	setDefault(h, "Sec-Fetch-Site", site)
	setDefault(h, "Sec-Fetch-Mode", mode)
	setDefault(h, "Sec-Fetch-Dest", dest)
}

func setDefault(h http.Header, name string, values ...string) {
	if _, ok := h[http.CanonicalHeaderKey(name)]; !ok {
		h[http.CanonicalHeaderKey(name)] = values
	}
}
