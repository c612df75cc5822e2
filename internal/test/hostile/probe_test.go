package hostile_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// probe has what a request on the wire needs: the cookie of an id, the name of a client
// object, a link. Tests build requests with it that package client never sends, or look
// at a status that package client would handle itself. It is also cheap enough for ten
// thousand readers.
type probe struct {
	*site
	id    string
	cid   string
	sig   string // the cookie's value
	token string // of the link, after poll
	epoch string // of its position
	last  int    // the number of the last message
	http  *http.Client
}

func (s *site) probe(id string) *probe {
	t := new(http.Transport)
	s.Cleanup(t.CloseIdleConnections)
	return &probe{
		site: s, id: id, cid: (id + "-0123456789-0123456789")[:24], sig: s.sign(id), http: &http.Client{Transport: t},
	}
}

// do returns the text of the answer. Another status than 200 is an error that begins with
// it.
func (p *probe) do(ctx context.Context, method, more, body string) (string, error) {
	target := "http://" + p.addr + "/live?_cid=" + p.cid + more
	r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Host = host
	for _, h := range []string{accept, isText, withCookie(p.sig), withLink(p.token)} {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := p.http.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return string(text), err
}

var (
	linkOf  = regexp.MustCompile(`"link":"([^"]*)"`)
	epochOf = regexp.MustCompile(`(?m)^id: (.*)-[^-]*$`)
)

// poll makes a long-poll that begins a link and does not wait.
func (p *probe) poll(ctx context.Context) error {
	text, err := p.do(ctx, "GET", "&_wait=0", "")
	if err != nil {
		return err
	}
	link, epoch := linkOf.FindStringSubmatch(text), epochOf.FindStringSubmatch(text)
	if link == nil || epoch == nil {
		return fmt.Errorf("no hello: %q", text)
	}
	p.token, p.epoch = link[1], epoch[1]
	p.secret(p.token)
	return nil
}

// post sends one message.
func (p *probe) post(ctx context.Context, text string) error {
	p.last++
	answer, err := p.do(ctx, "POST", "", p.up(p.last, text))
	if err == nil && answer != fmt.Sprintf("{\"accepted\":%d}\n", p.last) {
		err = fmt.Errorf("message %d: %s", p.last, answer)
	}
	return err
}

// up returns a batch with one message.
func (p *probe) up(n int, data string) string {
	return fmt.Sprintf("event: mirage-up\ndata: {\"writer\":\"%s\",\"base\":1}\n\nid: %d\ndata: %s\n\n", p.cid, n, data)
}
