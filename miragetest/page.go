package miragetest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
)

const largestPage = 16 << 20 // bytes

// A Response is the server's answer to a request of a visitor, after redirects within the
// site.
type Response struct {
	*http.Response
	// Text is the whole body.
	Text string

	v *Visitor
}

// Get opens a page, as somebody does who types its address.
func (v *Visitor) Get(path string) *Response {
	v.s.tb.Helper()
	return v.do(v.pages, v.request(http.MethodGet, path, nil))
}

// PostForm submits a form of a page of the site.
func (v *Visitor) PostForm(path string, form url.Values) *Response {
	v.s.tb.Helper()
	r := v.request(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.do(v.pages, r)
}

// Fetch sends a request as a script of the site does. A body that is a string is sent as
// text, and any other one in JSON. Nil means that there is no body.
func (v *Visitor) Fetch(method, path string, body any) *Response {
	v.s.tb.Helper()
	if body == nil {
		return v.do(v.fetch, v.request(method, path, nil))
	}
	text, isText := body.(string)
	kind := "text/plain;charset=UTF-8"
	if !isText {
		data, err := json.Marshal(body)
		if err != nil {
			v.s.tb.Fatalf("miragetest: the body of %s %s: %v", method, path, err)
		}
		text, kind = string(data), "application/json"
	}
	r := v.request(method, path, strings.NewReader(text))
	r.Header.Set("Content-Type", kind)
	return v.do(v.fetch, r)
}

// Do sends a request with the visitor's cookies. Headers that a browser would add are
// added unless r has them. An Origin of another site makes the request one of a page of
// that site. The URL of r may be only a path.
func (v *Visitor) Do(r *http.Request) *Response {
	v.s.tb.Helper()
	r = r.Clone(r.Context())
	r.URL, r.Host, r.RequestURI = v.resolve(r.URL.String()), "", ""
	return v.do(v.fetch, r)
}

// HTTPClient returns a new client with the visitor's cookies and network, for a program
// that is tested as a client, such as a worker. It adds no headers of a browser.
func (v *Visitor) HTTPClient() *http.Client {
	plain := &http.Client{Transport: &http.Transport{DialContext: v.dial}, Jar: v.jar}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.plain = append(v.plain, plain)
	return plain
}

func (v *Visitor) request(method, path string, body io.Reader) *http.Request {
	v.s.tb.Helper()
	r, err := http.NewRequest(method, v.resolve(path).String(), body)
	if err != nil {
		v.s.tb.Fatalf("miragetest: %v", err)
	}
	return r
}

// resolve returns the URL that a path leads to.
func (v *Visitor) resolve(path string) *url.URL {
	v.s.tb.Helper()
	site, err := url.Parse(v.s.url + "/")
	if err == nil {
		site, err = site.Parse(path)
	}
	if err != nil {
		v.s.tb.Fatalf("miragetest: %v", err)
	}
	return site
}

func (v *Visitor) do(c *http.Client, r *http.Request) *Response {
	v.s.tb.Helper()
	v.s.settle()
	ctx, cancel := context.WithTimeout(r.Context(), v.s.patience())
	defer cancel()
	resp, err := c.Do(r.WithContext(ctx))
	if err != nil {
		v.fail("%s %s: %v", r.Method, r.URL.Path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, largestPage))
	if err != nil {
		v.fail("%s %s: the body: %v", r.Method, r.URL.Path, err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return &Response{resp, string(body), v}
}

// Expect ends the test if the status is another one. It returns r.
func (r *Response) Expect(status int) *Response {
	r.v.s.tb.Helper()
	if r.StatusCode != status {
		r.v.fail("%s %s: the status is %d, want %d: %s", r.Request.Method, r.Request.URL.Path,
			r.StatusCode, status, shorten(r.Text))
	}
	return r
}

// Decode decodes the body from JSON.
func (r *Response) Decode(into any) {
	r.v.s.tb.Helper()
	if err := json.Unmarshal([]byte(r.Text), into); err != nil {
		r.v.fail("%s %s: status %d, %v: %s", r.Request.Method, r.Request.URL.Path,
			r.StatusCode, err, shorten(r.Text))
	}
}

// fail ends the test.
func (v *Visitor) fail(format string, args ...any) {
	v.s.tb.Helper()
	v.s.tb.Fatalf("miragetest: "+format+"%s", append(args, v.story.String())...)
}
