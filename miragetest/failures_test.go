package miragetest_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/miragetest"
)

const module = "github.com/mirage-go/mirage/miragetest."

// A recorder is a testing.TB that records how the test ends, and which functions have
// called Helper.
type recorder struct {
	testing.TB
	cleanups []func()

	mu      sync.Mutex
	helpers map[string]bool
	text    string
	frames  []string // functions of the package that have not called Helper
}

// fails runs f, and returns the text of the failure, or "".
func fails(t *testing.T, f func(tb testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t, helpers: map[string]bool{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	for _, cleanup := range r.cleanups {
		cleanup()
	}
	if r.frames != nil {
		t.Errorf("these functions have not called Helper: %q", r.frames)
	}
	return r.text
}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func (r *recorder) Helper() {
	pc, _, _, _ := runtime.Caller(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.helpers[runtime.FuncForPC(pc).Name()] = true
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text = fmt.Sprintf(format, args...)
	pcs := make([]uintptr, 20)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for {
		frame, more := frames.Next()
		if strings.HasPrefix(frame.Function, module) && !r.helpers[frame.Function] {
			r.frames = append(r.frames, frame.Function)
		}
		if !more {
			return
		}
	}
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// Each method that expects something fails if it does not come. The text says what came
// instead, and stands at the line of the caller.
func TestC2Failures(t *testing.T) {
	for name, tt := range map[string]struct {
		f    func(app *chat, v *miragetest.Visitor)
		want string // in the text, with ; between its parts
	}{
		"nothing comes": {func(_ *chat, v *miragetest.Visitor) { v.Tab("/live/").Expect("said") },
			`want "said", but it has not come within 5m0s; tab 1: open, websocket`},
		"another name": {func(app *chat, v *miragetest.Visitor) {
			tab := v.Tab("/live/")
			app.tell(tab.ID(), "hello")
			tab.Expect("said", 7)
		}, `want "said" with the data 7; * tab 1: message "hello"`},
		"other data": {func(app *chat, v *miragetest.Visitor) {
			tab := v.Tab("/live/")
			app.tell(tab.ID(), "1", "3")
			tab.Expect("message", "1")
			tab.Expect("message", "2")
		}, `the next "message" has the data "3", want "2"; s   tab 1: message "1"; s   tab 1: message "3"`},
		"other bytes": {func(app *chat, v *miragetest.Visitor) {
			tab := v.Tab("/live/")
			app.tell(tab.ID(), "1")
			tab.Expect("message", []byte("2"))
		}, `has the data "1", want "2"`},
		"other JSON": {func(app *chat, v *miragetest.Visitor) {
			tab := v.Tab("/live/")
			app.tell(tab.ID(), `{"a": 1}`, `{"a": 1}`)
			tab.Expect("message", map[string]int{"a": 1})
			tab.Expect("message", map[string]int{"a": 2})
		}, `has the data {"a": 1}, want {"a":2}`},
		"text in JSON": {func(app *chat, v *miragetest.Visitor) {
			tab := v.Tab("/live/")
			app.tell(tab.ID(), `"hello"`)
			tab.Expect("message", "hello")
		}, `which is that text in JSON`},
		"no JSON": {func(app *chat, v *miragetest.Visitor) {
			tab := v.Tab("/live/")
			app.tell(tab.ID(), "hello")
			var n int
			tab.Expect("message").Decode(&n)
		}, `invalid character; hello`},
		"a gap before": {func(app *chat, v *miragetest.Visitor) {
			lose(app, v).Expect("message", "after")
		}, `want "message" with the data "after", but before that: client: messages 1 to; are lost`},
		"no gap": {func(_ *chat, v *miragetest.Visitor) { v.Tab("/live/").ExpectGap() },
			`want a gap, but it has not come`},
		"something": {func(app *chat, v *miragetest.Visitor) {
			tab := v.Tab("/live/")
			app.tell(tab.ID(), "hello")
			tab.ExpectNothing()
		}, `tab 1 has what the test did not expect; * tab 1: message "hello"`},
		"something later": {func(app *chat, v *miragetest.Visitor) {
			tab := v.Tab("/live/")
			time.AfterFunc(5*time.Second, func() { app.tell(tab.ID(), "hello") })
			tab.ExpectNothing()
		}, `tab 1 has what the test did not expect; 5.000s * tab 1: message "hello"`},
		"something, after the link is back": {func(app *chat, v *miragetest.Visitor) {
			tab := v.Tab("/live/")
			v.Offline()
			app.tell(tab.ID(), "hello")
			time.AfterFunc(20*time.Second, v.Online)
			tab.ExpectNothing()
		}, `tab 1 has what the test did not expect`},
		"a loss is something": {func(app *chat, v *miragetest.Visitor) { lose(app, v).ExpectNothing() },
			`tab 1 has what the test did not expect; * tab 1: client: messages 1 to`},
		"no end": {func(_ *chat, v *miragetest.Visitor) { v.Tab("/live/").ExpectEnd(410) },
			`the server has not ended tab 1, want status 410`},
		"another end": {func(app *chat, v *miragetest.Visitor) {
			tab := v.Tab("/live/")
			v.PostForm("/logout", nil)
			tab.ExpectEnd(403)
		}, `tab 1 has ended with client: `},
		"after the end": {func(app *chat, v *miragetest.Visitor) {
			tab := v.Tab("/live/")
			v.PostForm("/logout", nil)
			tab.Expect("said")
		}, `want "said", but tab 1 has ended; (status 410); POST /logout: 303; GET /: 401; tab 1: ended`},
		"not open": {func(_ *chat, v *miragetest.Visitor) { v.Tab("/live/").ExpectState(client.PhaseClosed) },
			`tab 1 is open, want closed`},
		"no link": {func(_ *chat, v *miragetest.Visitor) { v.Tab("/elsewhere") },
			`tab 1 cannot connect; (status 404); GET /elsewhere: 404`},
		"no server": {func(_ *chat, v *miragetest.Visitor) {
			v.Offline()
			v.Tab("/live/")
		}, `tab 1 cannot connect; offline`},
		"a link is granted": {func(_ *chat, v *miragetest.Visitor) { v.ExpectRefused("/live/", 403) },
			`the link of tab 1 is granted, want status 403`},
		"another refusal of a link": {func(_ *chat, v *miragetest.Visitor) { v.ExpectRefused("/elsewhere", 403) },
			`tab 1 cannot connect; (status 404); want status 403`},
		"a handler fails": {func(_ *chat, v *miragetest.Visitor) { v.Tab("/live/").Emit("say", 1) },
			`the server has not handled "say": client: the handler failed (status 500)`},
		"a handler does not fail": {func(_ *chat, v *miragetest.Visitor) {
			v.Tab("/live/").ExpectEmitRefused("echo", 1, 500)
		}, `the server has handled "echo", want status 500`},
		"another refusal of a message": {func(_ *chat, v *miragetest.Visitor) {
			v.Tab("/live/").ExpectEmitRefused("say", 1, 403)
		}, `(status 500), want status 403`},
		"nothing comes back": {func(_ *chat, v *miragetest.Visitor) { v.Tab("/live/").ExpectReturned() },
			`want messages that come back, but it has not come`},
		"a join is refused": {func(_ *chat, v *miragetest.Visitor) { v.Tab("/live/").Join("room:7") },
			`tab 1 cannot join "room:7": client: the join was refused (status 403)`},
		"a join is granted": {func(_ *chat, v *miragetest.Visitor) {
			v.PostForm("/login", as("Ann"))
			v.Tab("/live/").ExpectJoinRefused("room:7", 403)
		}, `tab 1 has joined "room:7", want status 403`},
		"another refusal of a join": {func(_ *chat, v *miragetest.Visitor) {
			v.Tab("/live/").ExpectJoinRefused("room:7", 410)
		}, `(status 403), want status 410`},
		"fewer members": {func(_ *chat, v *miragetest.Visitor) {
			v.PostForm("/login", as("Ann"))
			v.Tab("/live/").Join("room:7").ExpectMembers(2)
		}, `tab 1, room:7 has 1 members, want 2; tab 1, room:7: joined; tab 1, room:7: 1 are present`},
		"a message in a room": {func(app *chat, v *miragetest.Visitor) {
			v.PostForm("/login", as("Ann"))
			room := v.Tab("/live/").Join("room:7")
			_, _ = app.live.Topic("room:7").Publish(context.Background(), mirage.Text("hello"))
			room.ExpectNothing()
		}, `tab 1, room:7 has what the test did not expect; * tab 1, room:7: message "hello"`},
		"the page of a room was left": {func(_ *chat, v *miragetest.Visitor) {
			v.PostForm("/login", as("Ann"))
			tab := v.Tab("/live/")
			room := tab.Join("room:7")
			tab.Reload()
			room.Expect("said")
		}, `want "said", but tab 1, room:7 has ended: its page was left; tab 1: reload`},
		"not the whole": {func(app *chat, v *miragetest.Visitor) {
			v.PostForm("/login", as("Ann"))
			room := v.Tab("/live/").Join("room:7")
			answer := app.live.Topic("room:7").Stream(context.Background(), "answer", "1")
			fmt.Fprint(answer, "It ")
			time.Sleep(time.Second)
			fmt.Fprint(answer, "grows.")
			_ = answer.Close()
			room.ExpectWhole("answer", "It grew.")
		}, `the growing "answer" has the data "It grows.", want "It grew."; answer "It ", a piece of "1"`},
		"no transport": {func(_ *chat, v *miragetest.Visitor) { v.Tab("/live/").Switch("pigeon") },
			`tab 1 cannot switch to pigeon: client: "pigeon" is not in Options.Transports`},
		"another status": {func(_ *chat, v *miragetest.Visitor) { v.Get("/").Expect(200) },
			`GET /: the status is 401, want 200: Who are you?; GET /: 401`},
		"a page is no JSON": {func(_ *chat, v *miragetest.Visitor) {
			var n int
			v.Get("/").Decode(&n)
		}, `GET /: status 401, invalid character; Who are you?`},
		"a page without a network": {func(_ *chat, v *miragetest.Visitor) {
			v.Offline()
			v.Get("/")
		}, `GET /: `},
		"an event without a name that is allowed": {func(_ *chat, v *miragetest.Visitor) {
			v.Tab("/live/").Send("a\nb", "")
		}, `tab 1 cannot send`},
		"a value that is no JSON": {func(_ *chat, v *miragetest.Visitor) { v.Tab("/live/").Send("a", func() {}) },
			`Send: client: message "a"`},
		"two options": {func(_ *chat, v *miragetest.Visitor) { v.Tab("/live/", client.Options{}, client.Options{}) },
			`Tab takes one client.Options, not 2`},
		"the browser's options": {func(_ *chat, v *miragetest.Visitor) {
			v.Tab("/live/", client.Options{HTTPClient: http.DefaultClient})
		}, `HTTPClient, Jar and Persist are the visitor's`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				text := fails(t, func(tb testing.TB) {
					app := newChat()
					tt.f(app, miragetest.New(tb, app).Visitor())
				})
				if text == "" {
					t.Error("the test has not failed")
				}
				for part := range strings.SplitSeq(tt.want, "; ") {
					if !strings.Contains(text, part) {
						t.Errorf("%q is missing in:\n%s", part, text)
					}
				}
			})
		})
	}
}

// lose returns a tab that has lost messages, the last of which is "after".
func lose(app *chat, v *miragetest.Visitor) *miragetest.Tab {
	tab := v.Tab("/live/")
	v.Offline()
	app.tell(tab.ID(), "lost")
	time.Sleep(5 * time.Minute) // the session expires
	v.Online()
	tab.ExpectState(client.PhaseOpen)
	app.tell(tab.ID(), "after")
	return tab
}
