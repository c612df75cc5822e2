package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
)

// serve starts a server that sends each message back, lets everybody join topics, and
// refuses to handle what is not polite.
func serve() (live *mirage.Live, url string, stop func()) {
	live = mirage.New(mirage.Options{
		Insecure: true,
		Logger:   slog.New(slog.DiscardHandler),
		OnMessage: func(ctx context.Context, s *mirage.Session, in mirage.Incoming) error {
			if strings.Contains(string(in.Data), "stupid") {
				return errors.New("rude")
			}
			_, err := s.Send(ctx, in.Message)
			return err
		},
		OnJoin: func(_ context.Context, _ *mirage.Session, j *mirage.Join) error {
			if j.Topic == "secret" {
				return &mirage.Error{Status: 403, Reason: "not for you"}
			}
			return nil
		},
		Topics: func(string) mirage.TopicOptions { return mirage.TopicOptions{Presence: true} },
	})
	server := httptest.NewServer(live)
	return live, server.URL + "/live", func() {
		_ = live.Shutdown(context.Background())
		server.Close()
	}
}

func ExampleDial() {
	_, url, stop := serve()
	defer stop()
	ctx := context.Background()

	c, err := client.Dial(ctx, url, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(ctx)

	if err := c.Send(ctx, client.Message{Event: "said", Data: []byte("hello")}); err != nil {
		log.Fatal(err)
	}
	for m, err := range c.Messages(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", m.Event, m.Data)
		m.Ack() // because the loop does not ask for the next message
		break
	}
	// Output: said: hello
}

// A loop that goes on after messages were lost, and ends when nothing more can come.
func ExampleClient_Messages() {
	live, url, stop := serve()
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := client.Dial(ctx, url, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(context.Background())
	_, _ = live.Send(ctx, c.ID(), mirage.Text("one"))

	for m, err := range c.Messages(ctx) {
		if lost, ok := errors.AsType[*client.LostError](err); ok {
			fmt.Println("fetch the current state:", lost)
			continue
		}
		if returned, ok := errors.AsType[*client.ReturnedError](err); ok {
			fmt.Println("send again, or tell somebody:", returned.Messages)
			continue
		}
		if err != nil {
			fmt.Println("the end:", err)
			break
		}
		fmt.Println(string(m.Data))
		cancel()
	}
	// Output:
	// one
	// the end: context canceled
}

func ExampleClient_Emit() {
	_, url, stop := serve()
	defer stop()
	ctx := context.Background()
	c, err := client.Dial(ctx, url, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(ctx)

	fmt.Println(c.Emit(ctx, "said", map[string]string{"text": "you are kind"}))
	err = c.Emit(ctx, "said", map[string]string{"text": "you are stupid"})
	if refused, ok := errors.AsType[*client.Error](err); ok {
		fmt.Println(refused.Status, refused.Detail)
	}
	// Output:
	// <nil>
	// 500 the handler failed
}

func ExampleClient_Join() {
	live, url, stop := serve()
	defer stop()
	ctx := context.Background()
	_, _ = live.Topic("room:7").Publish(ctx, mirage.Text("before"))

	c, err := client.Dial(ctx, url, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(ctx)
	room, err := c.Join(ctx, "room:7", client.JoinOptions{From: client.FromStart})
	if err != nil {
		log.Fatal(err)
	}
	_, _ = live.Topic("room:7").Publish(ctx, mirage.Text("after"))

	for m, err := range room.Messages(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(m.Data))
		if string(m.Data) == "after" {
			room.Leave() // ends the loop
		}
	}
	_, err = c.Join(ctx, "secret", client.JoinOptions{})
	fmt.Println(err)
	// Output:
	// before
	// after
	// client: not for you (status 403)
}

// A growing message is put together: each piece comes with all that came before.
func ExampleRoom_Messages() {
	live, url, stop := serve()
	defer stop()
	ctx := context.Background()
	c, err := client.Dial(ctx, url, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(ctx)
	room, err := c.Join(ctx, "doc:7", client.JoinOptions{})
	if err != nil {
		log.Fatal(err)
	}

	answer := live.Topic("doc:7").Stream(ctx, "answer", "question-1")
	fmt.Fprint(answer, "It ")
	fmt.Fprint(answer, "grows.")
	_ = answer.Close()

	for m, err := range room.Messages(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		if m.Done {
			fmt.Printf("%s of %s: %s\n", m.Event, m.Key, m.Whole)
			break
		}
	}
	// Output: answer of question-1: It grows.
}

// A token that expires is asked for before each request.
func ExampleOptions_header() {
	_, url, stop := serve()
	defer stop()
	ctx := context.Background()
	freshToken := func(context.Context) (string, error) { return "…", nil }

	c, err := client.Dial(ctx, url, client.Options{
		Header: func(ctx context.Context) (http.Header, error) {
			token, err := freshToken(ctx)
			return http.Header{"Authorization": {"Bearer " + token}}, err
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(ctx)
	fmt.Println(c.State().Phase)
	// Output: open
}

// A program that is started again continues as the same visitor, and where it was.
func ExampleFileStore() {
	live, url, stop := serve()
	defer stop()
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	options := client.Options{
		Persist:   client.FileStore(filepath.Join(dir, "worker.json")),
		AskSigned: true, // so that the id is in the file, and not in a cookie
	}
	for i, text := range []string{"one", "two"} {
		c, err := client.Dial(ctx, url, options)
		if err != nil {
			log.Fatal(err)
		}
		if i == 0 {
			_, _ = live.Send(ctx, c.ID(), mirage.Text("one"))
			_, _ = live.Send(ctx, c.ID(), mirage.Text("two"))
		}
		for m := range c.Messages(ctx) {
			fmt.Println(string(m.Data) == text)
			m.Ack()
			break
		}
		_ = c.Close(ctx)
	}
	// Output:
	// true
	// true
}

func ExampleClient_Use() {
	_, url, stop := serve()
	defer stop()
	ctx := context.Background()
	c, err := client.Dial(ctx, url, client.Options{Transports: []string{client.SSE, client.Poll}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(ctx)

	fmt.Println(c.State().Transport)
	if err := c.Use(ctx, client.Poll); err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.State().Transport)
	// Output:
	// sse
	// poll
}
