package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/store"
)

// The entry points for React, Svelte and Vue work with the real frameworks, in the builds
// for development (in which React's StrictMode mounts everything twice) and production.
// Whatever components come and go, there is one link while there are some, and none
// otherwise. Everything arrives once and in order.
func TestFrameworks(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	p := newProject(t)
	if !t.Run("build", p.build) {
		return
	}
	for _, mode := range []string{"development", "production"} {
		for _, name := range []string{"react", "svelte", "vue"} {
			t.Run(name+" in "+mode, func(t *testing.T) {
				t.Parallel()
				a := startApp(t, p, mode, name)
				a.tab = openTab(t, browser, t.Name(), a.s.proxy.URL()+"/app/"+name+"/")
				a.opened()
				a.components(t, name == "react" && mode == "development")
				a.leave(t)
				a.rooms(t)
				a.s.settled(a.tab)
				a.manual(t)
			})
			t.Run(name+" in "+mode+" with a client of a module", func(t *testing.T) {
				t.Parallel()
				a := startApp(t, p, mode, name)
				a.tab = openTab(t, browser, t.Name(), a.s.proxy.URL()+"/app/"+name+"/?view=module")
				a.module()
			})
		}
	}
}

// An app is one of the applications in the directory frameworks, and its server.
type app struct {
	*tab
	s     *site
	opens atomic.Int32 // how many the page has opened so far
	mark  atomic.Value // in the query of the last one
}

func startApp(t *testing.T, p *project, mode, name string) *app {
	t.Helper()
	dist := os.DirFS(filepath.Join(p.dir, "dist", mode))
	files := http.StripPrefix("/app/", http.FileServerFS(dist))
	index := "/app/" + name + "/"
	page := strings.Replace(readFile(t, filepath.Join(p.dir, "dist", mode, name, "index.html")),
		`<div id="app">`, `<div id="app">`+p.html[name], 1)
	if !strings.Contains(page, "connecting") {
		t.Errorf("the server's page has no state: %s", page)
	}

	a := &app{}
	a.s = startSite(t, setup{
		routes: map[string]http.HandlerFunc{"/app/": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == index && r.URL.RawQuery == "" { // otherwise the page is not hydrated
				fmt.Fprint(w, page)
				return
			}
			files.ServeHTTP(w, r)
		}},
		front: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if transportOf(r) == "websocket" {
					a.opens.Add(1)
					a.mark.Store(r.URL.Query().Get("mark"))
				}
				next.ServeHTTP(w, r)
			})
		},
	})
	return a
}

// show lets the page show another view.
func (a *app) show(view, mark string) { a.do(fmt.Sprintf(`show(%q, %q)`, view, mark)) }

func (a *app) linked(n int) {
	a.s.Helper()
	a.s.until(fmt.Sprintf("%d links", n), func() bool { return len(a.s.links.names()) == n })
}

// components has components replace each other, and share a client.
func (a *app) components(t *testing.T, strict bool) {
	if n := get[int](a.tab, `record.mounts`); strict && n != 2 || !strict && n != 1 {
		t.Errorf("the component was mounted %d times", n)
	}
	a.linked(1)
	a.wait("the state in the page", `document.querySelector('output').innerText === 'open websocket'`)
	a.s.push(5 * time.Millisecond)
	a.do(`talk(5)`)
	a.traffic(20)

	events := a.events()
	for i := range 3 {
		a.show("second", "")
		a.traffic(10)
		a.show("both", "")
		a.wait("the other component's messages", `record.copy.at(-1)?.[1] === record.got.at(-1)[1]`)
		a.show("first", fmt.Sprint("mark", i))
		a.wait("the newest handler", fmt.Sprintf(`record.mark === 'mark%d'`, i))
	}
	a.send(t, "chat", map[string]string{"text": "hello"})
	a.wait("a named event", `document.querySelector('q').textContent === 'hello'`)
	if n, now := a.opens.Load(), a.events(); n != 1 || !slices.Equal(now, events) {
		t.Errorf("%d links were opened. The application was told %q and then %q", n, events, now)
	}
	if copies := get[runs](a.tab, `record.copy`); len(copies) != 3 {
		t.Errorf("a component that came and went three times got %v", copies)
	}

	a.relink("mark2")
	a.show("both", "")
	a.wait("the other component", `record.copy.at(-1)?.[1] === record.got.at(-1)[1]`)
	a.relink("copy")
	a.show("first", "mark3")
	a.wait("the newest handler", `record.mark === 'mark3'`)
	a.relink("mark3")
}

// relink cuts the link. The next one asks with the query of the component that mounted
// last, as it is now.
func (a *app) relink(mark string) {
	opens := a.opens.Load()
	a.s.proxy.Cut(miragetest.RST)
	a.s.until("another link", func() bool { return a.opens.Load() > opens })
	a.traffic(20)
	if got := a.mark.Load(); got != mark {
		a.t.Errorf("the query has %q, want %q", got, mark)
	}
}

// leave shows views without a client, while messages go both ways.
func (a *app) leave(t *testing.T) {
	opens := a.opens.Load()
	for range 3 {
		a.show("away", "")
		a.linked(0)
		down := a.s.sent()
		a.s.until("messages that nobody receives", func() bool { return a.s.sent() > down+20 })
		a.wait("messages that wait", `client.waiting > 20`)
		a.show("first", "")
		a.traffic(30)
	}
	if n := a.opens.Load() - opens; n != 3 {
		t.Errorf("%d links were opened, and three components mounted", n)
	}
}

// rooms has the same component ask for other URLs.
func (a *app) rooms(t *testing.T) {
	a.do(`talk(0)`) // messages of different clients have no order
	a.wait("all messages up", `client.waiting === 0`)
	for _, room := range []string{"1", "2"} {
		a.show("room", room)
		a.wait("a client for the room", fmt.Sprintf(`client.url.endsWith('room=%s') && client.state === 'open'`, room))
		a.linked(1)
		got := get[int](a.tab, `record.room.at(-1)?.[1] ?? 0`)
		a.wait("its messages", fmt.Sprintf(`record.room.at(-1)?.[1] > %d`, got))
	}
	a.show("first", "")
	a.traffic(10)
}

// manual shows the manual's example. The client of its URL was closed, so it gets another
// one.
func (a *app) manual(t *testing.T) {
	a.show("away", "")
	a.show("manual", "")
	a.linked(1)
	a.wait("the state in the page", `document.querySelector('footer').innerText === 'open'`)
	a.send(t, "said", map[string]string{"who": "Ann", "text": "hello"})
	a.wait("the message in the page", `document.body.innerText.includes('Ann: hello')`)
}

// send sends a named event down the newest session.
func (a *app) send(t *testing.T, event string, payload any) {
	t.Helper()
	m, err := store.JSON(event, payload)
	if err == nil {
		a.s.mu.Lock()
		id := a.s.opened[len(a.s.opened)-1]
		a.s.mu.Unlock()
		_, err = a.s.manager().Send(context.Background(), id, m)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// module replaces the client of a module, as HMR does.
func (a *app) module() {
	a.opened()
	a.s.push(5 * time.Millisecond)
	a.do(`talk(5)`)
	for range 4 {
		a.traffic(20)
		a.do(`talk(0)`) // messages of different clients have no order
		a.wait("all messages up", `client.waiting === 0`)
		a.do(`globalThis.old = client; replace(); talk(5)`)
		a.traffic(20)
		a.wait("the new client's state in the page", `client !== old && old.state === 'paused' &&
			document.querySelector('output').innerText === 'open websocket'`)
	}
	a.s.settled(a.tab)
}
