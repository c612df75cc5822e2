package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/inspect"
)

// reads says that the page has a text.
func (b *tab) reads(texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		b.until(fmt.Sprintf("the text %q", text),
			fmt.Sprintf(`document.getElementById('main').innerText.includes(%q)`, text))
	}
}

// follow clicks on the link with that text.
func (b *tab) follow(text string) {
	b.t.Helper()
	link := fmt.Sprintf(`[...document.querySelectorAll('a')].find(a => a.textContent.trim() === %q)`, text)
	b.until("the link "+text, link)
	b.do(link + `.click()`)
}

// push pushes the button with that text.
func (b *tab) push(text string) {
	b.t.Helper()
	button := fmt.Sprintf(`[...document.querySelectorAll('button')].find(b => b.textContent === %q)`, text)
	b.until("the button "+text, button)
	b.do(button + `.click()`)
}

// fits says that the page does not scroll sideways.
func (b *tab) fits() {
	b.t.Helper()
	if wide := get[int](b, `document.documentElement.scrollWidth - innerWidth`); wide > 0 {
		b.t.Errorf("%s: the page is %d pixels too wide", get[string](b, `location.hash`), wide)
	}
}

// O3: an operator finds a visitor who has lost messages, sees on the time-line when and
// why, and can act, with the keyboard alone if need be.
func TestO3Inspector(t *testing.T) {
	t.Parallel()
	inspector := inspect.New(inspect.Options{AllowActions: true, ShowMessages: true})
	live := mirage.New(mirage.Options{
		Insecure: true, Observer: inspector, Logger: slog.New(slog.DiscardHandler),
		MaxMessages: 8, Overflow: mirage.OverflowDropOldest,
		Topics: func(string) mirage.TopicOptions { return mirage.TopicOptions{Presence: true} },
		OnJoin: func(_ context.Context, _ *mirage.Session, j *mirage.Join) error {
			if j.Topic == "secret" {
				return errors.New("no")
			}
			return nil
		},
		OnMessage: func(_ context.Context, _ *mirage.Session, in mirage.Incoming) error {
			if string(in.Data) == "bad" {
				return errors.New("bad")
			}
			return nil
		},
	})
	mux := http.NewServeMux()
	mux.Handle("/live/", live)
	mux.Handle("/inspect/", inspector.Handler(live))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(func() { live.Shutdown(context.Background()) })

	ctx := t.Context()
	visitor, err := client.Dial(ctx, server.URL+"/live", client.Options{
		Transports: []string{client.SSE, client.Poll}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { visitor.Close(context.Background()) })
	go func() {
		for range visitor.Messages(ctx) {
		}
	}()
	_ = visitor.Send(ctx, client.Message{Data: []byte("bad")})
	if _, err := visitor.Join(ctx, "room:1", client.JoinOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := visitor.Join(ctx, "secret", client.JoinOptions{}); err == nil {
		t.Fatal("joined the secret topic")
	}
	visitor.Disconnect()
	for range 20 {
		if _, err := live.Send(ctx, visitor.ID(), mirage.Text("while you were away")); err != nil {
			t.Fatal(err)
		}
	}
	if err := visitor.Connect(ctx); err != nil {
		t.Fatal(err)
	}

	b := openTab(t, startBrowser(t), "operator", server.URL+"/inspect")
	b.reads("overflow", "handler-failed", "OnMessage returned an error", "refused")
	b.looks("inspect-overview")
	b.fits()

	b.follow("Sessions")
	key := mirage.LogID(visitor.ID())
	b.reads(key)
	b.fill("search", "nobody has this id")
	b.reads("No session matches.")
	b.fill("search", visitor.ID())
	b.reads("1 session", key)
	b.looks("inspect-sessions")
	b.fits()

	b.follow(key)
	b.reads("told that messages 1 to 12 are lost", "The log was full, and OverflowDropOldest is set.",
		"a link began over sse")
	b.until("the picture",
		`document.querySelectorAll('.timeline .link').length === 2 && document.querySelector('.timeline .cross')`)
	b.until("the loss in the picture",
		`[...document.querySelectorAll('.timeline .why')].some(t => t.textContent === 'overflow: 1–12')`)
	b.looks("inspect-session")
	b.viewport(360, 740)
	b.fits()
	b.desk()

	// What is on demand comes on demand, and a test message reaches the visitor.
	b.push("Send")
	b.reads("Done: send.")
	b.do(`{ globalThis.confirm = () => true }`)
	b.push("Revalidate")
	b.reads("Done: revalidate.", "renewed")

	// The focus stays where it is while the page is brought up to date.
	b.do(`document.querySelector('[data-key=back]').focus()`)
	if _, err := live.Send(ctx, visitor.ID(), mirage.Text("one more")); err != nil {
		t.Fatal(err)
	}
	b.reads(": 22")
	b.until("the focus is still there", `document.activeElement.dataset.key === 'back'`)

	b.follow("Topics")
	b.reads("room:1")
	b.follow("room:1")
	b.reads(key)
	b.follow("Log")
	b.reads("overflow", key, "secret")
	b.looks("inspect-log")
	b.viewport(360, 740)
	b.fits()

	// The visitor is thrown out, and the page still knows why.
	b.desk()
	b.follow(key)
	b.do(`{ globalThis.confirm = () => true }`)
	b.push("Revoke")
	b.reads("ended: revoked", "The id was revoked")
	b.looks("inspect-ended")
}

// O3: the chat has an inspector for the machine that it runs on.
func TestO3ChatInspector(t *testing.T) {
	t.Parallel()
	chat := startChat(t)
	browser := startBrowser(t)
	ann := openTab(t, browser, "Ann", chat.url)
	ann.untilState("open")
	b := openTab(t, browser, "operator", chat.url+"/inspect/")
	b.reads("websocket 1")
	if cookies := get[string](b, `document.cookie`); cookies != "" {
		t.Errorf("the inspector has cookies: %s", cookies)
	}
}
