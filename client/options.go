package client

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"time"

	"github.com/mirage-go/mirage/store"
)

// The names of the transports.
const (
	WebSocket = "websocket"
	SSE       = "sse"  // a stream of Server-Sent Events down, a POST for each batch up
	Poll      = "poll" // long-polls down, a POST for each batch up
)

// Options configure a Client. The zero value works.
type Options struct {
	// Transports are those that the client may use, in order of preference. It tries the
	// next one beside the first if that has not answered after 1.5s, and uses the one
	// that answers first. Empty means WebSocket, SSE, Poll.
	Transports []string

	// HTTPClient sends the requests. The client works on a copy of it. Its Timeout has no
	// effect, because links are requests that last. Nil means a client of its own.
	HTTPClient *http.Client
	// Jar keeps the cookie with the id. Nil means the Jar of HTTPClient. If that is nil,
	// too, it means a new one in memory, unless Signed or AskSigned is set.
	Jar http.CookieJar
	// Header returns what to add to the headers of a request, such as a token. It is
	// called before each request, so the token may expire. An error counts as a failure
	// of the network: the client calls Header again later. Header must return when its
	// context ends, and must not call Close.
	Header func(context.Context) (http.Header, error)
	// AskSigned asks the server for a signed id, which the client then sends instead of a
	// cookie. Client.Signed returns it.
	AskSigned bool
	// Signed is the signed id to begin with. It implies AskSigned. Whoever has it is the
	// visitor that it names: keep it as you would keep a password.
	Signed string

	// Persist keeps what a later Client needs to continue where this one was: the
	// positions, the id, and the messages that the server has not accepted. Only one
	// client at a time may use it. Nil means that nothing is kept.
	Persist Persist

	// MaxDelay bounds the random delay between two attempts to connect. A server may ask
	// for more, up to an hour. Zero means 20s.
	MaxDelay time.Duration
	// MaxQueue and MaxQueueBytes bound the messages that wait for the server. Zero means
	// 256 messages and 1 MiB.
	MaxQueue, MaxQueueBytes int
	// MaxWaiting and MaxWaitingBytes bound the messages that wait for a loop over
	// Messages, of the client and of each Room. What is beyond stays at the server, and
	// comes when there is room. Zero means 1 000 messages and 1 MiB.
	MaxWaiting, MaxWaitingBytes int
	// MaxMessage bounds the data of a message from the server, in bytes. A larger one
	// ends the link with an error. Zero means 1 MiB.
	MaxMessage int
	// AckWithin is how long after a message was delivered it is acknowledged at the
	// latest. The server ends links without acknowledgements after 20s. Zero means 500ms.
	AckWithin time.Duration

	// OnState is called after each change of the state, one call at a time, on a
	// goroutine of its own. If it is slow, it is called with the last of several states.
	OnState func(State)
	// Logger receives what the program may want to know and nothing returns: at level
	// Debug each attempt and link, at Warn what keeps the client from working. Nil means
	// slog.Default().
	Logger *slog.Logger
}

// complete returns a copy with the defaults, or says what is wrong.
func (o Options) complete() (Options, error) {
	if len(o.Transports) == 0 {
		o.Transports = []string{WebSocket, SSE, Poll}
	}
	for i, name := range o.Transports {
		if name != WebSocket && name != SSE && name != Poll {
			return o, fmt.Errorf("client: Options.Transports has %q: they are %q, %q, %q", name, WebSocket, SSE, Poll)
		}
		if slices.Contains(o.Transports[:i], name) {
			return o, fmt.Errorf("client: Options.Transports has %q twice", name)
		}
	}

	for _, bound := range []struct {
		name    string
		value   *int
		initial int
	}{
		{"MaxQueue", &o.MaxQueue, 256},
		{"MaxQueueBytes", &o.MaxQueueBytes, 1 << 20},
		{"MaxWaiting", &o.MaxWaiting, 1000},
		{"MaxWaitingBytes", &o.MaxWaitingBytes, 1 << 20},
		{"MaxMessage", &o.MaxMessage, 1 << 20},
	} {
		if *bound.value < 0 {
			return o, fmt.Errorf("client: Options.%s is negative: it is a bound, and cannot be disabled", bound.name)
		}
		if *bound.value == 0 {
			*bound.value = bound.initial
		}
	}
	if o.MaxDelay < 0 || o.AckWithin < 0 {
		return o, fmt.Errorf("client: Options.MaxDelay and Options.AckWithin must not be negative")
	}
	if o.MaxDelay == 0 {
		o.MaxDelay = 20 * time.Second
	}
	if o.AckWithin == 0 {
		o.AckWithin = 500 * time.Millisecond
	}

	o.AskSigned = o.AskSigned || o.Signed != ""
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o, nil
}

// client returns the http.Client for all requests. close releases what it alone uses.
func (o *Options) client() (_ *http.Client, close func()) {
	h, close := new(http.Client), func() {}
	if o.HTTPClient != nil {
		*h = *o.HTTPClient
		h.Timeout = 0
	} else if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		own := standard.Clone()
		h.Transport, close = own, own.CloseIdleConnections
	}

	if o.Jar != nil {
		h.Jar = o.Jar
	}
	if h.Jar == nil && !o.AskSigned {
		h.Jar, _ = cookiejar.New(nil) // cannot fail
	}
	h.CheckRedirect = checkRedirect(h.CheckRedirect)
	return h, close
}

// checkRedirect returns a CheckRedirect that also refuses to leave the host: the query
// and the headers of our requests are for the server alone.
func checkRedirect(given func(*http.Request, []*http.Request) error) func(*http.Request, []*http.Request) error {
	return func(r *http.Request, via []*http.Request) error {
		if first := via[0].URL; !isSameHost(first, r.URL) {
			return fmt.Errorf("client: %s redirects to another host, %q", first.Redacted(), r.URL.Host)
		}
		if given != nil {
			return given(r, via)
		}
		if len(via) >= 10 {
			return fmt.Errorf("client: stopped after 10 redirects")
		}
		return nil
	}
}

// isSameHost reports whether both URLs lead to one host, and the second is as safe as the
// first. A server may redirect from http to https.
func isSameHost(from, to *url.URL) bool {
	if secure(to.Scheme) && !secure(from.Scheme) {
		return from.Hostname() == to.Hostname()
	}
	return secure(from.Scheme) == secure(to.Scheme) && from.Host == to.Host
}

func secure(scheme string) bool { return scheme == "https" || scheme == "wss" }

// checkEvent returns nil if a message may have this name.
func checkEvent(name string) error {
	if name == "message" {
		return nil
	}
	return store.CheckEvent(name)
}
