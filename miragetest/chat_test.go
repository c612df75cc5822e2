package miragetest_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/miragetest"
)

// These are the tests that the author of the chat would write.

// Two people talk. Each has logged in by the form.
func TestC2Chat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := miragetest.New(t, newChat())
		ann, bob := server.Visitor(), server.Visitor()
		ann.PostForm("/login", as("Ann")).Expect(http.StatusOK)
		bob.PostForm("/login", as("Bob")).Expect(http.StatusOK)

		tab := ann.Tab("/live/")
		tab.Join("room:7")
		room := bob.Tab("/live/").Join("room:7")
		room.ExpectMembers(2)
		tab.Emit("say", said{Room: "room:7", Text: "hello"})
		room.Expect("said", said{"room:7", "Ann", "hello"})
		room.ExpectNothing()
	})
}

// Who comes later gets the history, and so does a page that is reloaded.
func TestC2History(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newChat()
		ann := miragetest.New(t, app).Visitor()
		ann.PostForm("/login", as("Ann"))
		say := func(text string) {
			_, _ = app.live.Topic("room:7").Publish(t.Context(), mirage.Text(text))
		}
		say("one")
		say("two")

		tab := ann.Tab("/live/")
		room := tab.Join("room:7", client.JoinOptions{From: client.FromStart})
		room.Expect("message", "one")
		room.Expect("message", "two")
		now := tab.Join("room:8")
		_, _ = app.live.Topic("room:8").Publish(t.Context(), mirage.Text("before the reload"))
		now.Expect("message", "before the reload")
		tab.Reload()
		_, _ = app.live.Topic("room:8").Publish(t.Context(), mirage.Text("before the page has joined"))
		tab.Join("room:8").ExpectNothing()
		say("three")
		room = tab.Join("room:7", client.JoinOptions{From: client.FromStart})
		room.Expect("message", "one")
		room.Expect("message", "two")
		room.Expect("message", "three")
		room.ExpectNothing()
	})
}

// A stranger may connect, but not join a room or say something.
func TestC2Stranger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eve := miragetest.New(t, newChat()).Visitor()
		eve.Get("/").Expect(http.StatusUnauthorized)
		tab := eve.Tab("/live/")
		tab.ExpectJoinRefused("room:7", http.StatusForbidden)
		tab.ExpectEmitRefused("say", said{Room: "room:7"}, http.StatusInternalServerError)

		r, _ := http.NewRequest("POST", "/login", nil)
		r.Header.Set("Origin", "https://evil.example")
		eve.Do(r).Expect(http.StatusForbidden)
	})
}

// A log-out in one tab closes the others.
func TestC2Logout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ann := miragetest.New(t, newChat()).Visitor()
		ann.PostForm("/login", as("Ann"))
		one, two := ann.Tab("/live/"), ann.Tab("/live/", client.Options{Transports: []string{client.Poll}})
		ann.PostForm("/logout", nil).Expect(http.StatusUnauthorized)
		one.ExpectEnd(http.StatusGone)
		two.ExpectEnd(http.StatusGone)
	})
}

// A visitor who logs out as soon as the page is there does so after the page has settled.
// Without that, the outcome would be chance: between two polls a tab does not learn of
// it.
func TestC2Deterministic(t *testing.T) {
	for range 20 {
		for _, transport := range transports {
			synctest.Test(t, func(t *testing.T) {
				ann := miragetest.New(t, newChat()).Visitor()
				ann.PostForm("/login", as("Ann"))
				tab := ann.Tab("/live/", client.Options{Transports: []string{transport}})
				ann.PostForm("/logout", nil)
				tab.ExpectEnd(http.StatusGone)
			})
		}
	}
}

// A worker answers jobs, on a bad network, with nothing lost and nothing done twice.
func TestC2Worker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newChat()
		server := miragetest.New(t, app)
		machine := server.Visitor()
		done := make(chan []string, 1)
		ids := make(chan string, 1)
		go func() { // the worker is a program with package client
			c, err := client.Dial(t.Context(), server.URL()+"/live/", client.Options{HTTPClient: machine.HTTPClient()})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close(context.Background())
			ids <- c.ID()
			var jobs []string
			for m, err := range c.Messages(t.Context()) {
				if err != nil {
					t.Error(err)
				}
				jobs = append(jobs, string(m.Data))
				if string(m.Data) == "last" {
					break
				}
			}
			done <- jobs
		}()

		id := <-ids
		machine.Network().CutEach(miragetest.Down, 2000, miragetest.RST)
		var want []string
		for i := range 50 {
			want = append(want, strconv.Itoa(i))
			app.tell(id, want[i])
			time.Sleep(time.Second)
			if i%10 == 5 {
				machine.Network().Cut(miragetest.RST)
			}
		}
		app.tell(id, "last")
		if got := <-done; !slices.Equal(got, append(want, "last")) {
			t.Errorf("the worker got %q", got)
		}
	})
}

// The server is replaced. Its memory is lost, and the tab is told so.
func TestC2Restart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newChat()
		server := miragetest.New(t, app)
		tab := server.Visitor().Tab("/live/")
		id := tab.ID()
		app.tell(id, "before")
		tab.Expect("message", "before")

		tab.Visitor().Offline()
		app.tell(id, "lost")
		server.Stop()
		app = newChat()
		server.Start(app)
		tab.Visitor().Online()
		if lost := tab.ExpectGap(); lost.Reason == "" {
			t.Errorf("the loss is %+v", lost)
		}
		if tab.ID() != id {
			t.Errorf("the id was %q and is %q", id, tab.ID())
		}
		app.tell(id, "after")
		tab.Expect("message", "after")
	})
}

// A deployment: the server lets links end in order before it stops.
func TestC2Deploy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newChat()
		server := miragetest.New(t, app)
		tab := server.Visitor().Tab("/live/")
		tab.Send("message", "sent during the deployment")
		if err := app.live.Shutdown(t.Context()); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		server.Stop()
		server.Start(newChat())
		tab.ExpectState(client.PhaseOpen)
		tab.Emit("message", "sent after it")
	})
}
