package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/mirage-go/mirage/client"
)

// I8: one browser visits two chats on one machine in turn and keeps its id in each: the
// cookies do not collide.
func TestI8TwoChats(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	var chats sync.WaitGroup
	defer chats.Wait()
	defer stop()
	urls := make([]string, 2)
	for i := range urls {
		log := make(urlLog, 1)
		old := slog.Default()
		slog.SetDefault(slog.New(slog.NewTextHandler(log, nil)))
		defer slog.SetDefault(old)
		chats.Go(func() {
			if err := run(ctx, "localhost:0", "", ""); err != nil {
				t.Error(err)
			}
		})
		select {
		case urls[i] = <-log:
		case <-time.After(10 * time.Second):
			t.Fatal("the chat did not start")
		}
	}

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	first := map[string]string{}
	for round := range 3 {
		for _, url := range urls {
			id := visit(t, browser, url)
			if round == 0 {
				first[url] = id
			} else if id != first[url] {
				t.Errorf("round %d: %s at %s, was %s", round+1, id, url, first[url])
			}
		}
	}
}

// visit connects and returns the id that the chat has given.
func visit(t *testing.T, browser *http.Client, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, url+"/live", client.Options{HTTPClient: browser})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	return c.ID()
}

// urlLog is the log output of a chat. It sends the URL that the chat logs on the channel.
type urlLog chan string

func (l urlLog) Write(line []byte) (int, error) {
	if m := regexp.MustCompile(`url=(\S+)`).FindSubmatch(line); m != nil {
		l <- string(bytes.Clone(m[1]))
	}
	return len(line), nil
}
