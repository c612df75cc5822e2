package proxies_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/coder/websocket"

	"github.com/mirage-go/mirage/internal/frame"
)

// socket opens a WebSocket and reads it until it ends.
func (c *client) socket(ctx context.Context) {
	c.mu.Lock()
	query := "?_cid=" + c.cid
	if c.hellos > 0 {
		query += "&_pos=" + c.pos.String()
	}
	c.mu.Unlock()

	conn, _, err := websocket.Dial(ctx, c.url+query, &websocket.DialOptions{
		HTTPClient: c.http, HTTPHeader: http.Header{"Cookie": {c.cookie}, "Origin": {c.origin}},
	})
	if err != nil {
		c.Errorf("WebSocket: %v", err)
		return
	}

	defer conn.CloseNow()
	conn.SetReadLimit(-1)
	c.mu.Lock()
	c.line = conn
	c.mu.Unlock()

	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return
		}
		for e, err := range frame.NewParser(1 << 20).All(strings.NewReader(string(text))) {
			c.must(err)
			c.take(e)
		}
	}
}

// ask sends a frame and reads its answer.
func (c *client) ask(body []byte) {
	c.Helper()
	c.must(c.line.Write(c.Context(), websocket.MessageText, body))
	if answer, want := <-c.answers, fmt.Sprintf(`{"status":200,"accepted":%d}`, c.next); answer != want {
		c.Fatalf("answer %s, want %s", answer, want)
	}
}
