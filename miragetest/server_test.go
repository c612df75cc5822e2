package miragetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/miragetest"
)

var transports = []string{client.WebSocket, client.SSE, client.Poll}

// everywhere runs f in a bubble and on a port, with each transport.
func everywhere(t *testing.T, f func(t *testing.T, o client.Options)) {
	for _, transport := range transports {
		o := client.Options{Transports: []string{transport}}
		t.Run("bubble/"+transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, o) })
		})
		t.Run("port/"+transport, func(t *testing.T) {
			t.Parallel()
			f(t, o)
		})
	}
}

// A reload, a cut and an absence in mid-stream lose nothing, in both directions.
func TestC2NothingIsLost(t *testing.T) {
	everywhere(t, func(t *testing.T, o client.Options) {
		app := newChat()
		ann := miragetest.New(t, app).Visitor()
		tab, other := ann.Tab("/live/", o), ann.Tab("/live/", o)
		var want []string
		troubles := []func(){tab.Reload, tab.Cut, ann.Offline, ann.Online, other.Cut, tab.Reload, tab.Reload}
		for i, trouble := range troubles {
			down, up := fmt.Sprint("down ", i), fmt.Sprint("up ", i)
			want = append(want, down, up)
			app.tell(tab.ID(), down)
			tab.Send("message", up) // comes back to all tabs
			trouble()
		}
		slices.Sort(want)
		for _, tab := range []*miragetest.Tab{tab, other} {
			var got []string
			for range 14 {
				got = append(got, string(tab.Expect("message").Data))
			}
			tab.ExpectNothing()
			slices.Sort(got) // the two directions are independent of each other
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	})
}

// A stream of messages goes on while the page is reloaded, moves to other transports and
// is cut, on a slow network. None is lost or comes twice.
func TestC2Stream(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := newChat()
				ann := miragetest.New(t, app).Visitor()
				ann.Network().Delay(25 * time.Millisecond)
				tab := ann.Tab("/live/")
				id := tab.ID()
				const n = 500
				go func() {
					for i := range n {
						app.tell(id, fmt.Sprint(i))
						time.Sleep(10 * time.Millisecond)
					}
				}()
				for i := range n {
					switch i {
					case 50, 51, 400:
						tab.Reload()
					case 100, 300:
						tab.Cut()
					case 200:
						tab.Switch(transport)
					case 250:
						ann.Network().CutAfter(miragetest.Down, 333, miragetest.FIN)
					}
					tab.Expect("message", fmt.Sprint(i))
				}
				tab.ExpectNothing()
			})
		})
	}
}

// Each transport has the same answers to what a test asks.
func TestC2Transports(t *testing.T) {
	everywhere(t, func(t *testing.T, o client.Options) {
		app := newChat()
		server := miragetest.New(t, app)
		ann := server.Visitor()
		if page := ann.PostForm("/login", as("Ann")).Expect(http.StatusOK); page.Text != "Hello Ann" {
			t.Errorf("the page is %q", page.Text)
		}
		tab := ann.Tab("/live/", o)
		if got := tab.ExpectState(client.PhaseOpen).Transport; got != o.Transports[0] {
			t.Errorf("the transport is %s", got)
		}
		if app.name(tab.ID()) != "Ann" {
			t.Errorf("the tab is that of %q", app.name(tab.ID()))
		}
		room := tab.Join("room:7")
		tab.Emit("say", said{Room: "room:7", Text: "hello"})
		var v said
		if room.Expect("said").Decode(&v); v.Who != "Ann" {
			t.Errorf("%q has said it", v.Who)
		}
		tab.Send("bytes", []byte{0, 255})
		tab.Expect("bytes", []byte{0, 255})
		tab.Send("value", 7)
		tab.Expect("value", 7)
		tab.ExpectNothing()

		tab.ExpectEmitRefused("say", said{Room: "no\nroom"}, http.StatusInternalServerError)
		tab.Send("say", "no JSON")
		if returned := tab.ExpectReturned(); string(returned.Messages[0].Data) != "no JSON" {
			t.Errorf("%+v came back", returned)
		}
		tab.ExpectJoinRefused("elsewhere", http.StatusForbidden)
		if err := app.live.Topic("room:7").End(context.Background()); err != nil {
			t.Error(err)
		}
		room.ExpectEnd(http.StatusGone)
		tab.ExpectNothing() // it polls again: between two polls a tab does not learn of a log-out
		ann.PostForm("/logout", nil)
		tab.ExpectEnd(http.StatusGone)
		server.Close()
		server.Close()
	})
}

// A tab goes from one transport to another, and stays in its room.
func TestC2Switch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newChat()
		ann := miragetest.New(t, app).Visitor()
		ann.PostForm("/login", as("Ann"))
		tab := ann.Tab("/live/")
		room := tab.Join("room:7")
		for _, transport := range []string{client.Poll, client.SSE, client.WebSocket} {
			tab.Switch(transport)
			app.tell(tab.ID(), transport)
			tab.Expect("message", transport)
			if got := tab.ExpectState(client.PhaseOpen).Transport; got != transport {
				t.Errorf("the transport is %s, want %s", got, transport)
			}
			tab.Emit("say", said{Room: "room:7", Text: transport})
			room.Expect("said")
		}
	})
}

// A program that is no test gets panics.
func TestC2Program(t *testing.T) {
	app := newChat()
	server := miragetest.New(nil, app)
	defer server.Close()
	tab := server.Visitor().Tab("/live/")
	app.tell(tab.ID(), "hello")
	tab.Expect("message", "hello")

	proxy := miragetest.NewProxy(nil, server.URL())
	defer proxy.Close()
	resp, err := http.Get(proxy.URL() + "/") // as a browser does
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()

	defer func() {
		err, _ := recover().(error)
		if failure, ok := errors.AsType[*miragetest.Failure](err); !ok ||
			!strings.Contains(failure.Error(), "GET /: the status is 401, want 200") {
			t.Errorf("the panic is %v", err)
		}
	}()
	tab.Visitor().Get("/").Expect(http.StatusOK)
}

// Stop kills the connections of every transport. A server that keeps its memory loses
// nothing.
func TestC2Kill(t *testing.T) {
	everywhere(t, func(t *testing.T, o client.Options) {
		app := newChat()
		server := miragetest.New(t, app)
		tab := server.Visitor().Tab("/live/", o)
		server.Stop()
		tab.ExpectState(client.PhaseWaiting)
		app.tell(tab.ID(), "meanwhile")
		server.Start(app)
		tab.Expect("message", "meanwhile")
		tab.ExpectNothing()
	})
}

// Timeout bounds what a method waits for.
func TestC2Timeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		text := fails(t, func(tb testing.TB) {
			server := miragetest.New(tb, newChat())
			server.Timeout = 7 * time.Second
			server.Visitor().Tab("/live/").Expect("said")
		})
		if d := time.Since(begin); d != 7*time.Second || !strings.Contains(text, "within 7s") {
			t.Errorf("after %v: %s", d, text)
		}
	})
}

// Stop waits for handlers, and names one that does not end.
func TestC2Stop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		var ended bool
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/stuck" {
				<-stuck
				return
			}
			<-r.Context().Done()
			time.Sleep(time.Second) // to finish
			ended = true
		})
		var requests sync.WaitGroup
		get := func(v *miragetest.Visitor, path string) {
			requests.Go(func() {
				if resp, err := v.HTTPClient().Get("http://localhost" + path); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					t.Errorf("%s: %d", path, resp.StatusCode)
				}
			})
		}

		if text := fails(t, func(tb testing.TB) {
			server := miragetest.New(tb, h)
			get(server.Visitor(), "/slow")
			synctest.Wait()
			server.Stop()
			server.Stop()
			if !ended {
				t.Error("Stop has not waited for the handler")
			}
			server.Start(h)
		}); text != "" {
			t.Error(text)
		}
		text := fails(t, func(tb testing.TB) {
			server := miragetest.New(tb, h)
			get(server.Visitor(), "/stuck")
			synctest.Wait()
			server.Stop()
		})
		if !strings.Contains(text, "the handler of GET /stuck does not end") {
			t.Errorf("the failure is %q", text)
		}
		close(stuck)
		requests.Wait()

		text = fails(t, func(tb testing.TB) { miragetest.New(tb, h).Start(h) })
		if !strings.Contains(text, "Start needs") {
			t.Errorf("the failure is %q", text)
		}
		if text := fails(t, func(tb testing.TB) {
			server := miragetest.New(tb, h)
			server.Close()
			server.Visitor()
		}); !strings.Contains(text, "the server is closed") {
			t.Errorf("the failure is %q", text)
		}
	})
}
