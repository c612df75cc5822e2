package transport_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	ws "github.com/coder/websocket"
)

// say enqueues a message.
func (p *page) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, fmt.Sprintf("%d:%s", p.next, text))
	p.next++
	select {
	case p.stir <- struct{}{}:
	default:
	}
}

// sayAll lets every page say the text, with its own name behind.
func sayAll(pages []*page, text string) {
	for _, p := range pages {
		p.say(text + " " + p.name())
	}
}

// talk sends the queue, one request at a time.
func (p *page) talk(ctx context.Context) {
	for {
		select {
		case <-p.stir:
		case <-ctx.Done():
			return
		}
		for p.owes() && ctx.Err() == nil {
			sleepIn(ctx, p.up(ctx))
		}
	}
}

// owes reports whether there is something to send, and a link to send it on.
func (p *page) owes() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.linked && p.stopped == "" && (len(p.queue) > 0 || p.unacked)
}

// up sends the queue, once. It returns when to try again.
func (p *page) up(ctx context.Context) time.Duration {
	p.mu.Lock()
	queue, token, s := p.queue, p.hello.Link, p.socket
	p.base = p.next - uint64(len(queue))
	p.unacked = false
	p.mu.Unlock()
	if p.way == eventSource { // which sends one message at a time
		queue = queue[:1]
	}
	var status int // 0 without an answer
	var retry time.Duration
	if p.way == websocket {
		status, retry = p.frame(ctx, s, queue)
	} else {
		status, retry = p.request(ctx, token, queue)
	}

	p.mu.Lock()
	if status == http.StatusOK {
		p.queue = p.queue[len(queue):]
	} else if p.cid != "" {
		p.unacked = true
	}
	late := token != p.hello.Link // there has been another link since
	over := status == http.StatusUnauthorized && p.cid != ""
	if over && !late {
		p.hello.Link, p.linked = "", false
		p.cut()
	}
	p.mu.Unlock()
	switch {
	case status == http.StatusOK || late || over:
		return 0
	case status == 0:
		return 10 * time.Millisecond // the link ends, and the next one will carry it
	}
	return p.answered(status, retry)
}

// frame sends messages over a WebSocket. One without messages has no answer.
func (p *page) frame(ctx context.Context, s *socket, queue []string) (status int, retry time.Duration) {
	switch {
	case s == nil:
		return 0, 0
	case len(queue) > 0:
		a, _ := s.post(queue...)
		return a.status, retryAfter(a.header)
	case s.Write(ctx, ws.MessageText, []byte(p.batch())) != nil:
		return 0, 0
	}
	return http.StatusOK, 0
}

// request sends messages in a POST.
func (p *page) request(ctx context.Context, token string, queue []string) (status int, retry time.Duration) {
	header := []string{"Content-Type", "text/event-stream", "Mirage-Link", token}
	var body string
	if p.way == eventSource {
		header = []string{"Content-Type", "text/plain"}
		_, body, _ = strings.Cut(queue[0], ":")
	} else {
		body = p.batch(queue...)
	}
	r, err := p.b.request(context.WithValue(ctx, pageKey{}, p), "POST", p.address(), body, header...)
	if err != nil {
		return 0, 0
	}
	defer r.Body.Close()
	_, _ = io.Copy(io.Discard, r.Body)
	if r.StatusCode != http.StatusOK && r.Header.Get("Set-Cookie") != "" {
		p.b.w.Errorf("%s: POST %s, and a cookie is set", p.name(), r.Status)
	}
	return r.StatusCode, retryAfter(r.Header)
}

// retryAfter returns when an answer tells its client to retry; 0 if it does not.
func retryAfter(h http.Header) time.Duration {
	seconds, _ := strconv.Atoi(h.Get("Retry-After"))
	return time.Duration(seconds) * time.Second
}
