package hostile_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport"
	"github.com/mirage-go/mirage/transport/poll"
)

// bodyTimeout replaces the default of 10s.
const bodyTimeout = 300 * time.Millisecond

// refusedTimeout is how long the middleware gives the body of a refused request.
const refusedTimeout = 10 * time.Second

func slowSite(t *testing.T) *site {
	return newSite(t, setup{
		identity: middleware.Options{Validate: func(r *http.Request, id string) (string, error) {
			switch id {
			case "refused":
				return "", errors.New("no")
			case "broken":
				return "", &middleware.Error{Status: 503}
			}
			return "", nil
		}},
		session:   session.Options{BodyTimeout: bodyTimeout},
		transport: transport.Options{Poll: poll.Options{Pause: time.Minute}},
		server:    func(s *http.Server) { s.ReadHeaderTimeout, s.IdleTimeout = time.Second, time.Second },
	})
}

// L4: a request whose body does not arrive is answered in every case, and its connection
// is free again after the body deadline. On its own, net/http waits forever for the body
// of a request that was refused before it was read.
func TestL4BodiesThatDoNotCome(t *testing.T) {
	s := slowSite(t)
	vera, mallory := s.visitor("vera", client.SSE), s.probe("mallory")
	s.must(mallory.poll(t.Context()))
	before := measure()

	cookie, token := withCookie(mallory.sig), withLink(mallory.token)
	ten := "Content-Length: 10"
	rows := []struct {
		name   string
		send   string
		status int
	}{
		{"a message", request("POST", "/live", payload[:3], cookie, ten), 408},
		{"a batch", request("POST", "/live", "event", cookie, token, isText, ten), 408},
		{"chunks without end", request("POST", "/live", "3\r\nabc\r\n", cookie, "Transfer-Encoding: chunked"), 408},
		{"none at all", request("POST", "/live", "", cookie, ten), 408},
		{"compressed", request("POST", "/live", "", cookie, ten, "Content-Encoding: gzip"), 415},
		{"too large", request("POST", "/live", "", cookie, "Content-Length: 100000"), 413},
		{"of a foreign page", request("POST", "/live", "", cookie, ten, "Origin: https://evil.example"), 403},
		{"with a bad token", request("POST", "/live", "", cookie, ten, withLink("bad")), 401},
		{"of a method that is none here", request("PUT", "/live", "", cookie, ten), 405},
		{"OPTIONS", request("OPTIONS", "/live", "", cookie, ten), 204},
		{"HEAD", request("HEAD", "/live", "", cookie, ten), 200},
		{"of somebody refused", request("POST", "/live", "", withCookie(s.sign("refused")), ten), 403},
		{"of somebody whose hook fails", request("POST", "/live", "", withCookie(s.sign("broken")), ten), 503},
	}

	t.Run("rows", func(t *testing.T) {
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				t.Parallel()
				w := s.dial()
				defer w.Close()
				w.SetDeadline(time.Now().Add(refusedTimeout + patience))
				io.WriteString(w, row.send)
				method, _, _ := strings.Cut(row.send, " ")
				a, err := w.reply(method)
				if err != nil || a.status != row.status {
					t.Fatalf("%d %s %v; want %d", a.status, a.body, err, row.status)
				}
				if !w.freed(patience) {
					t.Error("the connection is not free")
				}
			})
		}
	})

	vera.fine("at the end")
	mallory.http.CloseIdleConnections()
	settles(t, before)
	if n, _ := s.others("vera"); n > 0 {
		t.Errorf("%d messages of bodies that did not come were handled", n)
	}
}

// A request that arrives byte by byte is served. A head that does not end is not waited
// for.
func TestL4ByteByByte(t *testing.T) {
	s := slowSite(t)
	vera, mallory := s.visitor("vera", client.SSE), s.probe("mallory")
	s.must(mallory.poll(t.Context()))

	w := s.dial()
	defer w.Close()
	for _, b := range []byte(request("POST", "/live", payload, withCookie(mallory.sig))) {
		w.Write([]byte{b})
	}
	if a, err := w.reply("POST"); err != nil || a.status != 200 {
		t.Errorf("%+v %v", a, err)
	}

	endless := s.dial()
	defer endless.Close()
	io.WriteString(endless, "GET /live HTTP/1.1\r\nX: ")
	start := time.Now()
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for time.Since(start) < patience {
			if _, err := endless.Write([]byte{'x'}); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()

	if !endless.freed(patience) {
		t.Error("a head without end is waited for")
	}
	endless.Close()
	<-stop
	vera.fine("at the end")
}

// A GET whose body does not arrive is a link like any other, or none at all. It does not
// hang before its hello, and it ends with its client.
func TestL4GETWithBody(t *testing.T) {
	s := slowSite(t)
	vera := s.visitor("vera", client.SSE)
	cookie := withCookie(s.sign("mallory"))
	for name, send := range map[string]string{
		"stream":          request("GET", "/live", "", cookie, accept, "Content-Length: 10"),
		"stream, chunked": request("GET", "/live", "", cookie, accept, "Transfer-Encoding: chunked"),
		"poll":            request("GET", "/live?_wait=1", "", cookie, accept, "Content-Length: 10"),
	} {
		t.Run(name, func(t *testing.T) {
			before := measure()
			w := s.dial()
			defer w.Close()
			w.SetDeadline(time.Now().Add(bodyTimeout + patience))
			io.WriteString(w, send)
			if a, err := w.reply("GET"); err != nil || a.status != 200 && a.detail() == "" {
				t.Errorf("%+v %v", a, err)
			}
			w.Close()
			settles(t, before)
		})
	}
	vera.fine("at the end")
}
