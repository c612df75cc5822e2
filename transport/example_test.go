package transport_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/transport"
)

// The parts composed by hand, which package mirage does for most programs. A visitor
// polls, says something, and finds the answer in the next poll. Behind the same URL an
// EventSource would get a stream.
func ExampleHandler() {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // Insecure warns
	codec, err := cookie.New(cookie.Options{Insecure: true}, bytes.Repeat([]byte("k"), 32))
	if err != nil {
		panic(err)
	}
	m := session.New(session.Options{
		OnMessage: func(ctx context.Context, s *session.Session, in session.Incoming) error {
			_, err := s.Send(ctx, store.Text("you said "+string(in.Data)))
			return err
		},
	})
	who := middleware.New(middleware.Options{Codec: codec, Sessions: m})
	r := chi.NewRouter()
	r.With(who.Guard).Handle("/live", transport.Handler(m, transport.Options{}))
	server := httptest.NewServer(r)
	defer server.Close()
	defer m.Shutdown(context.Background())

	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	ask := func(method, query, body string) string {
		r, _ := http.NewRequest(method, server.URL+"/live"+query, strings.NewReader(body))
		r.Header.Set("Accept", "text/event-stream")
		if body != "" {
			r.Header.Set("Content-Type", "text/plain")
		}
		resp, err := client.Do(r)
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return string(text)
	}
	hello := ask("GET", "?_wait=0", "")
	fmt.Println("hello first:", strings.Contains(hello, "event: mirage\n"))
	fmt.Print(ask("POST", "", "good morning"))
	_, message, _ := strings.Cut(ask("GET", "?_wait=0", ""), "\n\n") // the first block is hello
	data, _, _ := strings.Cut(message, "\n")
	fmt.Println(data)
	client.CloseIdleConnections()
	// Output:
	// hello first: true
	// {"accepted":0}
	// data: you said good morning
}
