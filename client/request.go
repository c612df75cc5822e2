package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	eventStream  = "text/event-stream"
	largestReply = 64 << 10 // bytes of an answer that is no event stream
	longestText  = 300      // bytes of a detail that are kept
)

// address is where the server is, and what each request says about the client. It belongs
// to the owner.
type address struct {
	base      *url.URL // it is replaced, never changed
	cid       string   // the name of this client object
	askSigned bool
	signed    string // the value of _mirage
	was       string // the id in the last hello
}

// newName returns 128 random bits in base64url: the name of a client object.
func newName() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// parseURL returns the URL that a client requests.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	switch u.Scheme {
	case "http", "https":
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	default:
		return nil, fmt.Errorf("client: the URL %.100q does not begin with http:// or https://", u.Redacted())
	}
	if u.Host == "" {
		return nil, fmt.Errorf("client: the URL %.100q has no host", u.Redacted())
	}
	u.Fragment = ""
	return u, nil
}

// to returns the URL of a request. more are the parameters beside those that each request
// has. Empty values are left out.
func (a *address) to(more map[string]string) *url.URL {
	u := *a.base
	query := u.Query()
	query.Set("_cid", a.cid)
	if a.askSigned {
		query.Set("_mirage", a.signed)
	}
	for name, value := range more {
		if value != "" {
			query.Set(name, value)
		}
	}
	u.RawQuery = query.Encode()
	return &u
}

// place returns the URL of a GET of a link that presents the positions from. wait is for
// a long-poll.
func (a *address) place(from, wait string) *url.URL {
	was := a.was
	if a.askSigned {
		was = ""
	}
	return a.to(map[string]string{"_pos": from, "_was": was, "_wait": wait})
}

// adopt takes the path that a redirect led to, as from /live to /live/. It is called only
// for answers of the server: the redirect may lead to a log-in form.
func (a *address) adopt(found *url.URL) {
	if found == nil || found.Path == a.base.Path && found.Host == a.base.Host && found.Scheme == a.base.Scheme {
		return
	}
	if isSameHost(a.base, found) {
		u := *a.base
		u.Path, u.RawPath, u.Host = found.Path, found.RawPath, found.Host
		if secure(found.Scheme) {
			u.Scheme = "https"
		}
		a.base = &u
	}
}

// headers returns the headers of a request, beside those that net/http adds.
func (c *Client) headers(ctx context.Context, token string) (http.Header, error) {
	h := http.Header{}
	if c.o.Header != nil {
		more, err := c.o.Header(ctx)
		if err != nil {
			return nil, fmt.Errorf("client: Options.Header: %w", err)
		}
		maps.Copy(h, more.Clone())
	}
	h.Set("Accept", eventStream)
	if token != "" {
		h.Set("Mirage-Link", token)
	}
	return h, nil
}

// request sends a request, and returns the answer if its status is 200.
func (c *Client) request(
	ctx context.Context, method string, to *url.URL, token string, body []byte,
) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if r.Header, err = c.headers(ctx, token); err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", eventStream)
	} else {
		r.Body, r.GetBody, r.ContentLength = nil, nil, 0
		r.Header.Set("Accept-Encoding", "identity") // a stream must not wait in a compressor
	}

	resp, err := c.http.Do(r)
	if err != nil {
		return nil, withoutQuery(err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, refusal(resp.StatusCode, resp.Header, resp.Body)
	}
	return resp, nil
}

// withoutQuery returns an error of net/http without the URL, whose query identifies the
// client.
func withoutQuery(err error) error {
	if e, ok := err.(*url.Error); ok {
		return e.Err
	}
	return err
}

// refusal returns the error for an answer with another status than 200.
func refusal(status int, h http.Header, body io.Reader) *Error {
	e := &Error{
		Status:     status,
		Detail:     "a gateway has answered " + strings.ToLower(http.StatusText(status)),
		Gateway:    !isType(h, "application/problem+json"),
		RetryAfter: retryAfter(h),
	}
	if e.Gateway {
		return e
	}

	var problem struct {
		Detail   string `json:"detail"`
		Expected uint64 `json:"expected"`
	}
	text, _ := io.ReadAll(io.LimitReader(body, largestReply)) // what there is of it
	_ = json.Unmarshal(text, &problem)                        // a detail is good to have, no more
	e.Detail, e.expected = shorten(problem.Detail), problem.Expected
	if e.Detail == "" {
		e.Detail = strings.ToLower(http.StatusText(status))
	}
	return e
}

// notMirage returns the error for an answer of somebody else, such as a log-in form.
func notMirage(resp *http.Response) *Error {
	kind := shorten(resp.Header.Get("Content-Type"))
	return &Error{
		Status: resp.StatusCode, Gateway: true,
		Detail: fmt.Sprintf("the answer has the type %q, so it is not Mirage's", kind),
	}
}

func isType(h http.Header, want string) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && kind == want
}

// retryAfter parses the header: seconds, or a date. The clocks of the server and of this
// machine may differ, so a date counts from the server's own.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	date, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(0, date.Sub(now))
}

func shorten(text string) string {
	if len(text) > longestText {
		text = text[:longestText]
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
