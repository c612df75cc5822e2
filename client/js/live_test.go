package js_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/internal/test/npm"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/transport"
)

// echo is a real server whose application sends back what it receives, behind a network.
// Node controls both.
type echo struct {
	*testing.T
	codec *cookie.Codec
	proxy *miragetest.Proxy
	log   *slog.Logger
	live  atomic.Pointer[http.Handler]

	mu   sync.Mutex
	m    *session.Manager
	ids  []string // of all sessions that there have been
	up   []string // the messages that the application has received
	down int      // the last number that it sent on its own
	gets []get    // all that have come
}

// A get is a GET as the server sees it.
type get struct {
	Tab     string   `json:"tab"`     // the name that the test gave the client
	Was     []string `json:"was"`     // its _was; nil without the key
	Follows bool     `json:"follows"` // it came with a link token
	Cookie  bool     `json:"cookie"`  // it came with a cookie
}

// serve notes a GET before it is answered.
func (e *echo) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		q := r.URL.Query()
		e.mu.Lock()
		e.gets = append(e.gets, get{q.Get("tab"), q["_was"], r.Header.Get("Mirage-Link") != "", len(r.Cookies()) > 0})
		e.mu.Unlock()
	}
	(*e.live.Load()).ServeHTTP(w, r)
}

// begin begins with an empty memory, as after a restart.
func (e *echo) begin() {
	m := session.New(session.Options{
		MaxMessages: 100_000, MaxBytes: 32 << 20, Rate: -1, Heartbeat: time.Second, Logger: e.log,
		Topics: func(string) session.TopicOptions {
			return session.TopicOptions{MaxMessages: 100_000, MaxBytes: 32 << 20, Presence: true}
		},
		OnJoin: func(_ context.Context, _ *session.Session, j *session.Join) error {
			if strings.HasPrefix(j.Topic, "private:") {
				return fmt.Errorf("refused")
			}
			return nil
		},
		OnOpen: func(_ context.Context, s *session.Session) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.ids = append(e.ids, s.ID())
		},
		OnMessage: func(ctx context.Context, s *session.Session, in session.Incoming) error {
			e.mu.Lock()
			e.up = append(e.up, string(in.Data))
			e.mu.Unlock()
			switch in.Event {
			case "refuse":
				return fmt.Errorf("refused")
			case "notices":
				return s.Join(ctx, "~notices:"+s.ID(), session.FromNow)
			}
			_, err := s.Send(ctx, in.Message)
			return err
		},
	})
	mux := http.NewServeMux()
	mux.Handle("/live", transport.Handler(m, transport.Options{}))
	mux.HandleFunc("/page", func(http.ResponseWriter, *http.Request) {}) // its response sets the cookie
	identify := middleware.New(middleware.Options{Codec: e.codec, Sessions: m, Logger: e.log}).Guard

	// Below /307 the mux redirects /307/live to /307/live/. Below /301 it is done as
	// nginx does, and Go before 1.26.
	mounted := http.NewServeMux()
	mounted.Handle("/", identify(mux))
	for _, status := range []int{http.StatusTemporaryRedirect, http.StatusMovedPermanently} {
		path := fmt.Sprintf("/%d/live/", status)
		mounted.Handle(path, identify(transport.Handler(m, transport.Options{})))
		mounted.Handle(path+"mirage.js", transport.Script())
	}
	mounted.HandleFunc("/301/live", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/301/live/?"+r.URL.RawQuery, http.StatusMovedPermanently)
	})

	var live http.Handler = mounted
	e.live.Store(&live)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.m = m
}

func (e *echo) manager() *session.Manager {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.m
}

func (e *echo) end() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := e.manager().Shutdown(ctx); err != nil {
		e.Error(err)
	}
}

// publish publishes numbers in a topic, or appends them to a growing message.
func (e *echo) publish(ctx context.Context, topic, key string, from, to int, done bool) error {
	t := e.manager().Topic(topic)
	if key == "" {
		for n := from; n <= to; n++ {
			if _, err := t.Publish(ctx, store.Text(strconv.Itoa(n))); err != nil {
				return err
			}
		}
		return nil
	}

	w := t.Stream(ctx, "answer", key)
	for n := from; n <= to; n++ {
		if _, err := fmt.Fprintf(w, "%d\r\n🎉 ", n); err != nil {
			return err
		}
	}
	if done {
		return w.Close()
	}
	return nil
}

// control serves Node's requests: POST /cut, /restart, /revoke?id=, /send?id=&n=,
// /publish?topic=&key=&from=&to=&done=, /end?topic=, /forget, /look. It answers with what
// the server knows.
func (e *echo) control(w http.ResponseWriter, r *http.Request) {
	switch r.PathValue("what") {
	case "cut":
		e.proxy.Cut([]miragetest.Ending{miragetest.RST, miragetest.FIN}[time.Now().UnixMicro()%2])
	case "restart":
		e.end()
		e.begin()
	case "revoke":
		if err := e.manager().Revoke(r.Context(), r.FormValue("id")); err != nil {
			e.Error(err)
		}
	case "send":
		n, _ := strconv.Atoi(r.FormValue("n"))
		for range n {
			e.mu.Lock()
			e.down++
			msg := store.Text(strconv.Itoa(e.down))
			e.mu.Unlock()
			if _, err := e.manager().Send(r.Context(), r.FormValue("id"), msg); err != nil {
				e.Error(err)
			}
		}
	case "publish":
		from, _ := strconv.Atoi(r.FormValue("from"))
		to, _ := strconv.Atoi(r.FormValue("to"))
		done := r.FormValue("done") != ""
		if err := e.publish(r.Context(), r.FormValue("topic"), r.FormValue("key"), from, to, done); err != nil {
			e.Error(err)
		}
	case "end":
		if err := e.manager().Topic(r.FormValue("topic")).End(r.Context()); err != nil {
			e.Error(err)
		}
	case "forget":
		e.mu.Lock()
		e.ids, e.up, e.gets, e.down = nil, nil, nil, 0
		e.mu.Unlock()
	}

	e.mu.Lock()
	defer e.mu.Unlock()
	_ = json.NewEncoder(w).Encode(map[string]any{"ids": e.ids, "up": e.up, "gets": e.gets})
}

// D1, D3, I11, U1, U2, U3, X1, X2: mirage.js in Node, with a real server behind a network
// that cuts connections. test/live.mjs has the expectations.
func TestLive(t *testing.T) { testLive(t, "test/live.mjs") }

// M2, T2, T3, T4, T6, T8, T12: the same with topics, which test/live_topics.mjs expects.
func TestLiveTopics(t *testing.T) { testLive(t, "test/live_topics.mjs") }

func testLive(t *testing.T, file string) {
	if testing.Short() {
		t.Skip("-short: seconds of real time")
	}
	e := &echo{T: t, log: slog.New(slog.DiscardHandler)}
	var err error
	if e.codec, err = cookie.New(cookie.Options{Insecure: true}, bytes.Repeat([]byte("live"), 8)); err != nil {
		t.Fatal(err)
	}
	e.begin()

	mux := http.NewServeMux()
	mux.HandleFunc("/", e.serve)
	mux.HandleFunc("POST /control/{what}", e.control)
	srv := httptest.NewUnstartedServer(mux)
	t.Cleanup(func() {
		e.end()
		srv.CloseClientConnections()
		srv.Close()
	})
	e.proxy = miragetest.NewProxy(t, srv.Listener.Addr().String())
	srv.Start()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm.Node(t), "--experimental-websocket", "--test", file)
	cmd.Env = append(os.Environ(), "LIVE="+e.proxy.URL()+"/live", "CONTROL="+srv.URL+"/control/")
	cmd.WaitDelay = time.Second

	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
