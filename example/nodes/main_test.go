package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/needs"
)

// The program runs: a message that comes to whatever node arrives at the streams of a
// browser, and a stream that was cut continues where it was.
func TestRun(t *testing.T) {
	needs.Program(t, "redis-server")
	addr := "localhost:" + freePort()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, addr, "", 2, "rooms", nil) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for begun := time.Now(); listens(ctx, addr) != nil; { // each call tries for ten seconds
		if time.Since(begun) > time.Minute {
			t.Fatal("it does not listen")
		}
	}

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{T: t, url: "http://" + addr + "/live", client: &http.Client{Jar: jar}}
	for n := 1; n <= 6; n++ {
		next := b.open() // on the next node each time
		b.say(n)
		for i := b.seen + 1; i <= n; i++ {
			if got := next(); got != fmt.Sprint(i) {
				t.Fatalf("after %d messages came %q", i-1, got)
			}
		}
		b.seen = n
	}
}

// A browser reads a room as a plain client.
type browser struct {
	*testing.T
	url    string
	client *http.Client
	link   string // the token of the last stream
	last   string // the id of the last event
	seen   int
}

// open opens a stream. next returns the text of the next message.
func (b *browser) open() (next func() string) {
	b.Helper()
	req, err := http.NewRequest("GET", b.url+"?_join=room:lobby&_from=start", nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Last-Event-ID", b.last)
	res, err := b.client.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		b.Fatalf("GET: %v, %v", res, err)
	}
	timer := time.AfterFunc(20*time.Second, func() { _ = res.Body.Close() })
	b.Cleanup(func() { timer.Stop(); _ = res.Body.Close() })

	lines, event := bufio.NewScanner(res.Body), ""
	block := func(want string) (data string) {
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch field {
			case "event":
				event = value
			case "data":
				data = value
			case "id":
				b.last = value
			case "":
				if event == want {
					return data
				}
			}
		}
		b.Fatalf("the stream has ended: %v", lines.Err())
		return ""
	}
	var hello struct{ Link string }
	if err := json.Unmarshal([]byte(block("mirage")), &hello); err != nil {
		b.Fatal(err)
	}
	b.link = hello.Link
	return func() string {
		var said struct{ Text string }
		if err := json.Unmarshal([]byte(block("said")), &said); err != nil {
			b.Fatal(err)
		}
		return said.Text
	}
}

// say sends a message to the room, by whatever node.
func (b *browser) say(n int) {
	b.Helper()
	body := fmt.Sprintf("event: mirage-up\ndata: {\"writer\":\"browser-of-the-nodes-test\",\"base\":1}\n\n"+
		"event: say\ndata: {\"room\":\"lobby\",\"text\":\"%d\",\"key\":\"%d\"}\nid: %d\n\n", n, n, n)
	req, err := http.NewRequest("POST", b.url, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/event-stream")
	req.Header.Set("Mirage-Link", b.link)
	res, err := b.client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		b.Errorf("POST: %s", res.Status)
	}
}
