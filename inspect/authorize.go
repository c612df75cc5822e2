package inspect

import (
	"net"
	"net/http"
	"strings"
)

// policy lets the page load its own files and connect to its own server, and nothing
// else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// guard sets the headers of every response, and refuses who may not see the page.
func (i *Inspector) guard(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")

		allowed := isLocal
		if i.o.Authorize != nil {
			allowed = i.o.Authorize
		}
		switch {
		case !allowed(r) && i.o.Authorize == nil:
			refuse(w, http.StatusForbidden, "only this machine itself may see this, by the name localhost and through "+
				"no proxy: set inspect.Options.Authorize to let others in")
		case !allowed(r):
			refuse(w, http.StatusForbidden, "you are not authorized to see this")
		case cross.Check(r) != nil:
			refuse(w, http.StatusForbidden, "this request is from a page of another site")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// forwarded are headers by which a proxy on this machine gives itself away.
var forwarded = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"}

// isLocal reports whether a request comes from this machine. The name must be its own,
// because a page of a stranger may be served under a name that leads to this machine (DNS
// rebinding).
func isLocal(r *http.Request) bool {
	for _, name := range forwarded {
		if len(r.Header.Values(name)) > 0 { // also an empty one, behind which a client hides the proxy's
			return false
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && isLoopback(host) && isLocalName(r.Host)
}

func isLocalName(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return strings.EqualFold(host, "localhost") || isLoopback(host)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
