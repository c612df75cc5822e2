package miragetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/miragetest"
)

// newEcho returns an application that sends each message back, and lets everybody join
// topics other than "secret".
func newEcho() *mirage.Live {
	return mirage.New(mirage.Options{
		Insecure: true,
		Logger:   slog.New(slog.DiscardHandler),
		OnMessage: func(ctx context.Context, s *mirage.Session, in mirage.Incoming) error {
			if in.Event == "nonsense" {
				return errors.New("I do not understand")
			}
			_, err := s.Send(ctx, in.Message)
			return err
		},
		OnJoin: func(_ context.Context, _ *mirage.Session, j *mirage.Join) error {
			if j.Topic == "secret" {
				return &mirage.Error{Status: http.StatusForbidden, Reason: "not for you"}
			}
			return nil
		},
		Topics: func(string) mirage.TopicOptions { return mirage.TopicOptions{Presence: true} },
	})
}

// The shortest test: a tab says something, and the application answers.
func ExampleNew() {
	t := new(example) // in a test, its *testing.T
	defer t.end()

	tab := miragetest.New(t, newEcho()).Visitor().Tab("/live")
	tab.Send("message", "hello")
	m := tab.Expect("message", "hello") // ends the test if something else comes
	fmt.Printf("%s\n", m.Data)
	// Output: hello
}

// A program that is no test, such as one that drives a browser, passes nil. What ends a
// test is a panic here.
func ExampleNew_program() {
	server := miragetest.New(nil, newEcho())
	defer server.Close()
	// Now let a browser open server.URL().

	defer func() {
		failure, ok := recover().(*miragetest.Failure)
		fmt.Println("failed:", ok && failure.Error() != "")
	}()
	server.Visitor().Get("/nowhere").Expect(http.StatusOK)
	// Output: failed: true
}

// A reload in mid-stream loses nothing.
func ExampleTab_Reload() {
	t := new(example) // in a test, its *testing.T
	defer t.end()
	live := newEcho()
	tab := miragetest.New(t, live).Visitor().Tab("/live")

	for i := range 6 {
		if i == 3 {
			tab.Reload()
		}
		_, _ = live.Send(context.Background(), tab.ID(), mirage.Text(fmt.Sprint("message ", i)))
	}
	for i := range 6 {
		tab.Expect("message", fmt.Sprint("message ", i))
	}
	tab.ExpectNothing()
	fmt.Println("all came once and in order")
	// Output: all came once and in order
}

// A connection dies, and the tab comes back on another one.
func ExampleTab_Cut() {
	t := new(example) // in a test, its *testing.T
	defer t.end()
	live := newEcho()
	tab := miragetest.New(t, live).Visitor().Tab("/live")

	tab.Cut()
	_, _ = live.Send(context.Background(), tab.ID(), mirage.Text("while there is no link"))
	tab.Expect("message", "while there is no link")
	fmt.Println(tab.ExpectState(client.PhaseOpen).Phase)
	// Output: open
}

func ExampleTab_Switch() {
	t := new(example) // in a test, its *testing.T
	defer t.end()
	tab := miragetest.New(t, newEcho()).Visitor().Tab("/live")

	for _, transport := range []string{client.SSE, client.Poll, client.WebSocket} {
		tab.Switch(transport)
		tab.Emit("said", transport)
		var text string
		tab.Expect("said").Decode(&text)
		fmt.Println(text)
	}
	// Output:
	// sse
	// poll
	// websocket
}

// A handler refuses a message.
func ExampleTab_ExpectEmitRefused() {
	t := new(example) // in a test, its *testing.T
	defer t.end()
	tab := miragetest.New(t, newEcho()).Visitor().Tab("/live")

	err := tab.ExpectEmitRefused("nonsense", 7, http.StatusInternalServerError)
	fmt.Println(err.Detail)
	// Output: the handler failed
}

// A tab joins topics. Some are not for it.
func ExampleTab_Join() {
	t := new(example) // in a test, its *testing.T
	defer t.end()
	live := newEcho()
	tab := miragetest.New(t, live).Visitor().Tab("/live")
	publish := func(text string) {
		_, _ = live.Topic("room:7").Publish(context.Background(), mirage.Text(text))
	}

	publish("before")
	room := tab.Join("room:7", client.JoinOptions{From: client.FromStart})
	publish("after")
	room.Expect("message", "before")
	room.Expect("message", "after")
	room.ExpectMembers(1)
	fmt.Println(tab.ExpectJoinRefused("secret", http.StatusForbidden).Detail)
	// Output: not for you
}

// A growing message, such as the answer of a language model, comes in any number of
// pieces.
func ExampleRoom_ExpectWhole() {
	t := new(example) // in a test, its *testing.T
	defer t.end()
	live := newEcho()
	room := miragetest.New(t, live).Visitor().Tab("/live").Join("chat:1")

	answer := live.Topic("chat:1").Stream(context.Background(), "answer", "question-1")
	for _, token := range []string{"It ", "grows", "."} {
		_, _ = io.WriteString(answer, token)
	}
	_ = answer.Close()
	fmt.Printf("%s\n", room.ExpectWhole("answer").Whole)
	// Output: It grows.
}

// Log-in and log-out, as somebody does it with forms.
func ExampleVisitor_PostForm() {
	t := new(example) // in a test, its *testing.T
	defer t.end()
	ann := miragetest.New(t, newChat()).Visitor()

	fmt.Println(ann.PostForm("/login", as("Ann")).Expect(http.StatusOK).Text)
	tab := ann.Tab("/live/")
	tab.ExpectNothing()
	ann.PostForm("/logout", nil)
	fmt.Println(tab.ExpectEnd(http.StatusGone).Detail)
	// Output:
	// Hello Ann
	// the id was revoked
}

// The faults of a Proxy concern all that a visitor does.
func ExampleVisitor_Network() {
	t := new(example) // in a test, its *testing.T
	defer t.end()
	live := newEcho()
	ann := miragetest.New(t, live).Visitor()
	tab := ann.Tab("/live")

	ann.Network().CutAfter(miragetest.Down, 1000, miragetest.RST) // in the middle of a message
	for i := range 50 {
		_, _ = live.Send(context.Background(), tab.ID(), mirage.Text(fmt.Sprint("message ", i)))
	}
	for i := range 50 {
		tab.Expect("message", fmt.Sprint("message ", i))
	}
	fmt.Println("on more than one connection:", ann.Network().Stats().Connections > 1)
	// Output: on more than one connection: true
}

// The server is stopped and started again, with nothing in its memory. Clients are told
// which messages are lost.
func ExampleServer_Stop() {
	t := new(example) // in a test, its *testing.T
	defer t.end()
	app := newChat()
	server := miragetest.New(t, app)
	tab := server.Visitor().Tab("/live/")

	tab.Visitor().Offline()
	_, _ = app.live.Send(context.Background(), tab.ID(), mirage.Text("lost"))
	server.Stop()
	server.Start(newChat())
	tab.Visitor().Online()
	fmt.Println(tab.ExpectGap().Reason)
	// Output: restarted
}
