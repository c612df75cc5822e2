package hostile_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// wire is a connection on which a test can send any bytes.
type wire struct {
	testing.TB
	net.Conn
	in *bufio.Reader
}

func (s *site) dial() *wire {
	s.Helper()
	conn, err := net.Dial("tcp", s.addr)
	s.must(err)
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &wire{s, conn, bufio.NewReader(conn)}
}

// answer is a response.
type answer struct {
	status int
	header http.Header
	body   string // for a stream: its first block
}

// reply reads the response to a request with this method.
func (w *wire) reply(method string) (answer, error) {
	r, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		return answer{}, err
	}
	defer r.Body.Close()
	a := answer{status: r.StatusCode, header: r.Header}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "text/event-stream") {
		in := bufio.NewReader(r.Body)
		for line := " "; line != "\n" && err == nil; {
			line, err = in.ReadString('\n')
			a.body += line
		}
		w.in = in
		return a, nil // the stream goes on
	}
	body, err := io.ReadAll(r.Body)
	a.body = string(body)
	return a, err
}

// freed reports whether the server ends the connection within d.
func (w *wire) freed(d time.Duration) bool {
	w.SetReadDeadline(time.Now().Add(d))
	_, err := io.Copy(io.Discard, w.in)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		return false
	}
	return true
}

// exchange sends bytes on a new connection and reads the response.
func (s *site) exchange(text string) (answer, error) {
	w := s.dial()
	defer w.Close()
	io.WriteString(w, text) // an early response may close the connection meanwhile
	if strings.HasSuffix(text, halfClosed) {
		w.Conn.(*net.TCPConn).CloseWrite()
	}
	method, _, _ := strings.Cut(text, " ")
	return w.reply(method)
}

// halfClosed ends a request after which the client closes its sending side.
const halfClosed = "\r\nthe end"

// request returns the text of a request. A header is "Name: value". The Host header comes
// first unless header has one.
func request(method, target, body string, header ...string) string {
	var b strings.Builder
	b.WriteString(method + " " + target + " HTTP/1.1\r\n")
	has := func(name string) bool {
		for _, h := range header {
			if strings.HasPrefix(h, name+":") {
				return true
			}
		}
		return false
	}
	if !has("Host") {
		b.WriteString("Host: " + host + "\r\n")
	}
	for _, h := range header {
		b.WriteString(h + "\r\n")
	}
	if body != "" && !has("Content-Length") && !has("Transfer-Encoding") {
		b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n")
	}
	b.WriteString("\r\n" + body)
	return b.String()
}

const (
	accept = "Accept: text/event-stream"
	isText = "Content-Type: text/event-stream"
)

func withCookie(value string) string { return "Cookie: __Host-mirage=" + value }
func withLink(token string) string   { return "Mirage-Link: " + token }

// detail returns the text for developers in the body of a refusal, or "" if the body does
// not have the form of a refusal.
func (a answer) detail() string {
	var p struct {
		Status int
		Detail string
	}
	if a.header.Get("Content-Type") != "application/problem+json" ||
		json.Unmarshal([]byte(a.body), &p) != nil || p.Status != a.status {
		return ""
	}
	return p.Detail
}
