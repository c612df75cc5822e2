package hostile_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/transport"
	"github.com/mirage-go/mirage/transport/poll"
)

// upgrade has the headers of a handshake that a server could accept.
var upgrade = []string{
	"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
}

// upgradeSite is a site with net/http's own timeouts, which are none. The ids "refused",
// "unknown", "busy" and "broken" get what their names say. /timeout is the same behind a
// middleware that hides http.Hijacker.
func upgradeSite(t *testing.T) *site {
	validate := func(_ *http.Request, id string) (string, error) {
		switch id {
		case "refused":
			return "", &middleware.Error{Status: http.StatusForbidden, Reason: "not you"}
		case "unknown":
			return "", &middleware.Error{Status: http.StatusUnauthorized, Reason: "log in"}
		case "busy":
			return "", &middleware.Error{Status: http.StatusTooManyRequests, Reason: "later", RetryAfter: time.Second}
		case "broken":
			return "no id at all", nil // makes the hook fail
		}
		return "", nil
	}

	var s *site
	s = newSite(t, setup{
		identity: middleware.Options{Origins: []string{"https://friend.example"}, Validate: validate},
		routes: func(r chi.Router, identify func(http.Handler) http.Handler) {
			late := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				transport.Handler(s.m, transport.Options{}).ServeHTTP(w, r)
			})
			r.With(identify).HandleFunc("/poll", func(w http.ResponseWriter, r *http.Request) {
				poll.Handler(s.m, poll.Options{}).ServeHTTP(w, r)
			})
			r.Handle("/liar", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				identify(late).ServeHTTP(liar{w, new(sync.Once)}, r)
			}))
			r.Handle("/live/mirage.js", transport.Script())
			r.Handle("/timeout", http.TimeoutHandler(identify(late), time.Minute, ""))
		},
		server: func(server *http.Server) { server.ReadHeaderTimeout = 0 },
	})
	return s
}

// liar is the writer of a middleware that has Hijack, whatever it wraps, and fails.
type liar struct {
	http.ResponseWriter
	once *sync.Once
}

// WriteHeader hides that the WebSocket library responds a second time, which net/http
// would log.
func (l liar) WriteHeader(status int) { l.once.Do(func() { l.ResponseWriter.WriteHeader(status) }) }

func (liar) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, errors.ErrUnsupported }

// I5: a connection that could not be hijacked is not kept alive, because its client may
// believe that it has a WebSocket.
func TestI5UpgradeThatFailsEndsConnection(t *testing.T) {
	s := upgradeSite(t)
	w := s.dial()
	defer w.Close()
	header := append(upgrade, withCookie(s.sign("vera")))
	if _, err := io.WriteString(w, request("GET", "/liar", "", header...)); err != nil {
		t.Fatal(err)
	}
	if !w.freed(5 * time.Second) {
		t.Error("the server keeps the connection")
	}
}

// A refusedUpgrade is a request for a WebSocket that does not get one.
type refusedUpgrade struct {
	status int
	text   string
}

// refusedUpgrades returns a request for each way to be refused, by any of the layers.
func refusedUpgrades(s *site) map[string]refusedUpgrade {
	send := func(method, target, body string, header ...string) string {
		return request(method, target, body, append(header, upgrade...)...)
	}
	get := func(target string, header ...string) string { return send("GET", target, "", header...) }
	without := func(name, text string) string {
		before, rest, _ := strings.Cut(text, name+": ")
		_, after, _ := strings.Cut(rest, "\r\n")
		return before + after
	}

	as := func(id string) string { return withCookie(s.sign(id)) }
	revoked := as("revoked")
	s.must(s.m.Revoke(context.Background(), "revoked"))
	vera := s.probe("vera")
	s.must(vera.poll(context.Background()))
	lea := s.probe("lea")
	s.must(lea.poll(context.Background()))
	token, ours := withLink(vera.token), "Origin: https://"+host
	const (
		foreign = "Origin: https://evil.example"
		friend  = "Origin: https://friend.example"
		cid     = "?_cid=vera-0123456789-0123456"
		up      = "event: mirage-up\ndata: {\"writer\":\"vera-0123456789-01234567\",\"base\":1}\n\n"
	)

	tests := map[string]refusedUpgrade{
		"foreign page":          {403, get("/live", as("vera"), foreign)},
		"foreign page, ours":    {403, get("/live"+cid, as("vera"), foreign)},
		"an image":              {403, get("/live", as("vera"), "Sec-Fetch-Dest: image")},
		"refused":               {403, get("/live", as("refused"))},
		"unknown":               {401, get("/live", as("unknown"))},
		"unknown, event stream": {200, get("/live", as("unknown"), accept)}, // "retry:" and the end
		"a link token":          {401, get("/live"+cid+"&_wait=1", as("vera"), token)},
		"revoked":               {410, get("/live", revoked)},
		"busy":                  {429, get("/live", as("busy"))},
		"broken":                {503, get("/live", as("broken"))},
		"broken, event stream":  {200, get("/live", as("broken"), accept)},
		"no Hijacker":           {501, get("/timeout", as("vera"))},
		"no Hijacker, refused":  {403, get("/timeout", as("refused"), ours)}, // cannot be accepted and then closed
		"no Hijacker, broken":   {503, get("/timeout"+cid, as("broken"), ours)},
		"with a body":           {400, send("GET", "/live", "body", as("vera"))},
		"wrong version":         {426, strings.Replace(get("/live", as("vera")), "Version: 13", "Version: 8", 1)},
		"no version":            {426, without("Sec-WebSocket-Version", get("/live", as("vera")))},
		"no key":                {426, without("Sec-WebSocket-Key", get("/live", as("vera"), accept))},
		"no Connection":         {426, without("Connection", get("/live", as("vera")))},
		"keep-alive":            {426, strings.Replace(get("/live", as("vera")), ": Upgrade", ": keep-alive", 1)},
		"among others": {403,
			strings.Replace(get("/live", as("refused")), ": websocket", ": h2c, WebSocket", 1)},
		"no key, foreign": {403, without("Sec-WebSocket-Key", get("/live", foreign))},
		"wrong version, refused": {403,
			strings.Replace(get("/live", as("refused"), ours), "Version: 13", "Version: 8", 1)},
		"POST, foreign":           {403, send("POST", "/live", payload, as("vera"), foreign)},
		"POST, refused":           {403, send("POST", "/live", payload, as("refused"))},
		"POST, encoded":           {415, send("POST", "/live", payload, as("vera"), "Content-Encoding: gzip")},
		"POST, numbered, no link": {401, send("POST", "/live"+cid, up, as("vera"), isText)},
		"DELETE, no link":         {401, send("DELETE", "/live"+cid, "", as("vera"))},
		"DELETE, old link":        {401, send("DELETE", "/live"+cid, "", as("vera"), withLink("old"))},
		"PUT":                     {405, send("PUT", "/live", payload, as("vera"))},

		// These get what they ask for apart from the upgrade.
		"POST":           {200, send("POST", "/live", payload, as("vera"))},
		"POST, numbered": {409, send("POST", "/live", up+"id: 7\nevent: say\ndata: x\n\n", as("vera"), token, isText)},
		"DELETE":         {204, send("DELETE", "/live", "", as("lea"), withLink(lea.token))},
		"OPTIONS":        {204, send("OPTIONS", "/live", "", as("vera"))},
		"HEAD":           {200, send("HEAD", "/live", "", as("vera"))},
		"preflight":      {204, send("OPTIONS", "/live", "", friend, "Access-Control-Request-Method: POST")},
		"a poll":         {200, get("/poll"+cid+"&_wait=0", as("vera"))},
		"the script":     {200, get("/live/mirage.js")},
		"PUT, script":    {405, send("PUT", "/live/mirage.js", payload)},
	}

	for _, name := range []string{
		"foreign page", "refused", "broken", "broken, event stream", "revoked", "no Hijacker", "POST, refused",
	} {
		test := tests[name]
		test.text = strings.Replace(test.text, "HTTP/1.1", "HTTP/1.0", 1)
		test.text = strings.Replace(test.text, "Connection: Upgrade", "Connection: keep-alive, Upgrade", 1)
		if name == "no Hijacker" {
			test.status = 426 // there is no WebSocket over HTTP/1.0
		}
		tests[name+", HTTP/1.0"] = test
	}
	return tests
}

// I5, W6: a response other than 101 to a request for a WebSocket is the last on its
// connection. The client's frames may be on their way. A server that kept the connection
// would read them as the head of the next request.
func TestI5RefusedUpgradeEndsConnection(t *testing.T) {
	s := upgradeSite(t)
	for name, test := range refusedUpgrades(s) {
		t.Run(name, func(t *testing.T) {
			w := s.dial()
			defer w.Close()
			if _, err := io.WriteString(w, test.text); err != nil {
				t.Fatal(err)
			}
			method, _, _ := strings.Cut(test.text, " ")
			res, err := http.ReadResponse(w.in, &http.Request{Method: method})
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != test.status || !res.Close { // Close is "Connection: close"
				t.Errorf("%d, close %v; want %d, close", res.StatusCode, res.Close, test.status)
			}
			if body, err := io.ReadAll(res.Body); err != nil {
				t.Errorf("%q, %v", body, err)
			}
			if !w.freed(5 * time.Second) {
				t.Error("the server keeps the connection")
			}
		})
	}

	// Requests for no WebSocket keep the connection.
	refused := withCookie(s.sign("refused"))
	for name, text := range map[string]string{
		"POST":            request("POST", "/live", payload, refused),
		"another upgrade": request("GET", "/live", "", refused, "Connection: Upgrade", "Upgrade: h2c"),
	} {
		w := s.dial()
		defer w.Close()
		for range 2 {
			if _, err := io.WriteString(w, text); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if a, err := w.reply("GET"); err != nil || a.status != 403 {
				t.Fatalf("%s: %+v, %v", name, a, err)
			}
		}
	}
}

// I5, W6: two hundred clients send a megabyte behind a handshake that is refused, and
// keep their ends of the connections open. They hold no memory of the server.
func TestI5RefusedUpgradeFlood(t *testing.T) {
	const crowd, ceiling = 200, 64 << 10
	megabyte := bytes.Repeat([]byte{0x82}, 1<<20)
	for _, name := range []string{"foreign page", "unknown", "revoked", "broken", "no Hijacker", "a browser"} {
		t.Run(name, func(t *testing.T) {
			s := upgradeSite(t)
			test := refusedUpgrades(s)[name]
			if name == "a browser" { // accepted, and closed at once
				header := append(upgrade, withCookie(s.sign("refused")), "Origin: https://"+host)
				test = refusedUpgrade{101, request("GET", "/live", "", header...)}
			}
			vera := s.visitor("vera", client.WebSocket)
			vera.fine("before")
			before := measure()

			// The clients close nothing, so the server has to. A response may be lost
			// when the connection is reset.
			var clients sync.WaitGroup
			var wires []*wire
			var refused, ended atomic.Int64
			for range crowd {
				w := s.dial()
				wires = append(wires, w)
				w.SetDeadline(time.Now().Add(time.Minute))
				clients.Go(func() {
					io.WriteString(w, test.text)
					w.Write(megabyte)
				})
				clients.Go(func() {
					defer ended.Add(1)
					if a, err := w.reply("GET"); err == nil && a.status == test.status {
						refused.Add(1)
					}
					io.Copy(io.Discard, w.in)
				})
			}

			defer clients.Wait()
			defer func() {
				for _, w := range wires {
					w.Close()
				}
			}()

			var most int64
			for end := time.Now().Add(5 * time.Second); ended.Load() < crowd && time.Now().Before(end); pause() {
				most = max(most, measure().bytes-before.bytes)
			}
			most = max(most, measure().bytes-before.bytes)
			t.Logf("%d of %d connections ended, %d answers read, at most %d bytes each",
				ended.Load(), crowd, refused.Load(), most/crowd)
			if ended.Load() < crowd {
				t.Errorf("the server keeps %d of %d connections", crowd-ended.Load(), crowd)
			}
			if most/crowd > ceiling {
				t.Errorf("%d bytes for each refused handshake, at most %d are right", most/crowd, ceiling)
			}
			vera.fine("at the end")
		})
	}
}
