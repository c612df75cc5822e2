package middleware

import (
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// An originClass classifies requests by the page that made them.
type originClass int

const (
	ours    originClass = iota // our own page, a navigation, or no browser at all
	listed                     // a page of an origin in Options.Origins
	foreign                    // any other page
)

// origin returns the class of the page that made the request (I9). Sec-Fetch-Site is set
// by the browser itself, so it decides if present. Browsers omit it over plain http, and
// Chromium omits it from WebSocket handshakes. Then Origin decides. If Origin is missing,
// too, the request is not from a browser, or is a GET over plain http, about which
// isBareGET decides.
func (m *Middleware) origin(r *http.Request) originClass {
	origins, sites := r.Header["Origin"], r.Header["Sec-Fetch-Site"]
	if len(origins) > 1 || len(sites) > 1 {
		return foreign
	}

	// Without Sec-Fetch-Site, only Origin decides.
	if len(sites) == 0 {
		switch {
		case len(origins) == 0, m.isOwn(r, origins[0]):
			return ours
		case m.origins[origins[0]]:
			return listed
		}
		return foreign
	}

	switch {
	case sites[0] == "same-origin", sites[0] == "none":
		return ours
	case len(origins) == 1 && m.origins[origins[0]]:
		return listed
	case r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" &&
		r.Header.Get("Sec-Fetch-Dest") == "document":
		return ours // somebody followed a link to us
	}
	return foreign
}

// isOwn reports whether origin is this site itself, by the request's Host. Behind a proxy
// that terminates TLS we cannot see our own scheme. So an https origin with our host
// always counts. An http origin counts only if the site can be on http: without TLS here,
// and on a loopback host or with a cookie that is sent over plain http. Otherwise an http
// page with our host was made by an attacker on the network.
func (m *Middleware) isOwn(r *http.Request, origin string) bool {
	if m.own[origin] {
		return true
	}
	scheme, host, _ := strings.Cut(origin, "://")
	switch {
	case host == "":
		return false
	case scheme == "https":
		return strings.EqualFold(host, strings.TrimSuffix(r.Host, ":443"))
	case scheme == "http" && r.TLS == nil && (m.o.Codec.Insecure() || isLoopback(host)):
		return strings.EqualFold(host, strings.TrimSuffix(r.Host, ":80"))
	}
	return false
}

func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host).IsLoopback()
}

// isNavigation reports whether the request is a navigation by a person, as opposed to a
// fetch by a page.
func isNavigation(r *http.Request) bool {
	if mode := r.Header["Sec-Fetch-Mode"]; len(mode) > 0 {
		return mode[0] == "navigate"
	}
	accept := strings.Join(r.Header["Accept"], ",")
	return r.Method == http.MethodGet && strings.Contains(accept, "text/html") &&
		!strings.Contains(accept, "text/event-stream")
}

// originSet checks the origins of an option and returns them as a set. They must be
// written as browsers write them, because they are compared as text. OwnOrigins are on
// http or https. Origins may also be those of apps and extensions.
func originSet(option string, origins []string) map[string]bool {
	apps, example := option == "Origins", "https://app.example.com or http://localhost:3000"
	if apps {
		example = "https://app.example.com, http://localhost:3000 or, for an app's own scheme, capacitor://localhost"
	}

	set := make(map[string]bool, len(origins))
	for _, o := range origins {
		switch scheme, _, _ := strings.Cut(strings.ToLower(o), ":"); {
		case isWebOrigin(o), apps && isAppOrigin(o):
			set[o] = true
		case scheme == "null", scheme == "file":
			panic("middleware: Options." + option + " has " + o +
				"; files, sandboxed frames and data: URLs of any site send Origin: null, " +
				"so it identifies no page: serve the page over https, or from a scheme of your app's own")
		default:
			panic("middleware: Options." + option + " has " + o + "; write it like " + example + ": " +
				"lower case, no path, no default port, no wildcard")
		}
	}

	return set
}

// isWebOrigin reports whether o is an origin on http or https as browsers write it.
func isWebOrigin(o string) bool {
	u, err := url.Parse(o)
	if err != nil || u.Hostname() == "" || strings.Contains(u.Host, "*") || strings.HasSuffix(o, ":") {
		return false
	}
	return strings.ToLower(u.Scheme+"://"+u.Host) == o &&
		(u.Scheme == "http" && u.Port() != "80" || u.Scheme == "https" && u.Port() != "443")
}

// appOrigin matches an origin with an app's own scheme. Its host may have capitals, as in
// the ids of Safari's extensions.
var appOrigin = regexp.MustCompile(`^([a-z][a-z0-9+.-]*)://[A-Za-z0-9._-]+(:[1-9][0-9]{0,4})?$`)

// notApps are the schemes that browsers define themselves. With these, pages have http or
// https, or their Origin is null.
var notApps = strings.Fields("http https ws wss ftp file filesystem blob data about javascript")

// isAppOrigin reports whether o is the origin of an app's pages (capacitor://localhost)
// or of an extension's (chrome-extension://…), as browsers write it.
func isAppOrigin(o string) bool {
	m := appOrigin.FindStringSubmatch(o)
	return m != nil && !slices.Contains(notApps, m[1])
}
