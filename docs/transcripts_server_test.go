package docs

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage"
)

// serve starts the server of example/hello on a free port, with the topics of
// protocol.md.
func serve(t *testing.T) (address string) {
	live := mirage.New(mirage.Options{
		Keys: [][]byte{[]byte("replace me: 32 secret bytes here")}, Insecure: true,
		OnMessage: echo, OnJoin: join, Topics: topics,
	})
	mux := http.NewServeMux()
	mux.Handle("/live", live)
	mux.Handle("/publish", publish(live))
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := live.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return strings.TrimPrefix(server.URL, "http://")
}

func echo(ctx context.Context, s *mirage.Session, in mirage.Incoming) error {
	_, err := s.Send(ctx, in.Message)
	return err
}

// join is Options.OnJoin: every client may join.
func join(context.Context, *mirage.Session, *mirage.Join) error { return nil }

// topics is Options.Topics: a topic retains three messages.
func topics(name string) mirage.TopicOptions {
	return mirage.TopicOptions{MaxMessages: 3, Presence: strings.HasPrefix(name, "room:")}
}

// publish appends the body of a POST to a topic. With grow, the body is a piece of a
// growing message, and with done its last one.
func publish(live *mirage.Live) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, ctx := r.URL.Query(), r.Context()
		body, _ := io.ReadAll(r.Body)
		topic, event, key := live.Topic(q.Get("topic")), q.Get("event"), q.Get("key")

		if q.Has("grow") {
			answer := topic.Stream(ctx, event, key)
			answer.Write(body)
			if q.Has("done") {
				answer.Close()
			}
			return
		}
		at, _ := topic.Publish(ctx, mirage.Message{Event: event, Key: key, Data: body})
		fmt.Fprintln(w, at)
	}
}

// The Go code on the page is that of the server which runs its commands.
func TestTranscriptServer(t *testing.T) {
	source := read(t, "transcripts_server_test.go")
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, "protocol.md"), -1)
	for _, block := range blocks {
		for part := range strings.SplitSeq(block[1], "\n\n//") {
			if !strings.Contains(source, strings.TrimSpace(part)) {
				t.Errorf("protocol.md has other code than the server of its commands:\n%s", part)
			}
		}
	}
	if len(blocks) == 0 {
		t.Error("protocol.md has no code")
	}
}
