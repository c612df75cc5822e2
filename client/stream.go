package client

import (
	"io"
	"net/http"
	"net/url"
)

// carryStream runs a link over one long answer. It returns when that has ended.
func (c *Client) carryStream(l *link, to *url.URL) error {
	resp, err := c.openAnswer(l, to, "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return readAll(resp.Body, c.newFeeder(l))
}

// openAnswer opens or continues a link by a GET.
func (c *Client) openAnswer(l *link, to *url.URL, token string) (*http.Response, error) {
	resp, err := c.request(l.ctx, http.MethodGet, to, token, nil)
	if err != nil {
		return nil, err
	}
	if !isType(resp.Header, eventStream) {
		resp.Body.Close()
		return nil, notMirage(resp)
	}
	c.post(func() { c.address.adopt(resp.Request.URL) })
	return resp, nil
}

// readAll passes the body on until it ends.
func readAll(body io.Reader, f *feeder) error {
	buf := make([]byte, chunkSize)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if err := f.feed(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return errEnded
		}
		if err != nil {
			return err
		}
	}
}
