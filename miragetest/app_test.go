package miragetest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/mirage-go/mirage"
)

// A chat is the application under test. Whoever has logged in may join the rooms whose
// names begin with "room:", and say something there.
type chat struct {
	http.Handler
	live *mirage.Live

	mu    sync.Mutex
	names map[string]string // mirage id → who has logged in
	gone  []string          // tabs that were closed, by name
}

// said is what somebody said in a room.
type said struct{ Room, Who, Text string }

func newChat() *chat {
	c := &chat{names: map[string]string{}}
	c.live = mirage.New(mirage.Options{
		Keys:   [][]byte{bytes.Repeat([]byte{7}, 32)}, // as in production, without Insecure
		Logger: slog.New(slog.DiscardHandler),
		OnJoin: func(_ context.Context, s *mirage.Session, j *mirage.Join) error {
			if c.name(s.ID()) == "" || !strings.HasPrefix(j.Topic, "room:") {
				return errors.New("this room is not for you")
			}
			return nil
		},
		OnMessage: c.receive,
		OnDetach: func(_ context.Context, s *mirage.Session, _ mirage.Reader) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.gone = append(c.gone, c.names[s.ID()])
		},
		Topics: func(string) mirage.TopicOptions { return mirage.TopicOptions{Presence: true} },
	})

	mux := http.NewServeMux()
	mux.Handle("/live/", c.live)
	mux.HandleFunc("GET /{$}", c.show)
	mux.HandleFunc("POST /login", c.login)
	mux.HandleFunc("POST /logout", c.logout)
	c.Handler = http.NewCrossOriginProtection().Handler(c.live.Identify(mux))
	return c
}

func (c *chat) name(id string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.names[id]
}

// closed returns who has closed a tab.
func (c *chat) closed() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.gone)
}

func (c *chat) show(w http.ResponseWriter, r *http.Request) {
	if name := c.name(c.live.ID(r)); name != "" {
		io.WriteString(w, "Hello "+name)
		return
	}
	http.Error(w, "Who are you?", http.StatusUnauthorized)
}

func (c *chat) login(w http.ResponseWriter, r *http.Request) {
	id, err := c.live.Rotate(w, r)
	if err != nil {
		http.Error(w, "Try again.", http.StatusServiceUnavailable)
		return
	}
	c.mu.Lock()
	c.names[id] = r.FormValue("name")
	c.mu.Unlock()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (c *chat) logout(w http.ResponseWriter, r *http.Request) {
	if err := c.live.Logout(w, r); err != nil {
		http.Error(w, "Try again.", http.StatusServiceUnavailable)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (c *chat) receive(ctx context.Context, s *mirage.Session, in mirage.Incoming) error {
	if in.Event != "say" {
		_, err := s.Send(ctx, in.Message) // an echo
		return err
	}
	var v said
	if err := json.Unmarshal(in.Data, &v); err != nil {
		return err
	}
	if v.Who = c.name(s.ID()); v.Who == "" {
		return errors.New("nobody has logged in")
	}
	msg, err := mirage.JSON("said", v)
	if err == nil {
		_, err = c.live.Topic(v.Room).Publish(ctx, msg)
	}
	return err
}

// tell sends texts to a session.
func (c *chat) tell(id string, texts ...string) {
	for _, text := range texts {
		if _, err := c.live.Send(context.Background(), id, mirage.Text(text)); err != nil {
			panic(err)
		}
	}
}

// as is the form of a log-in.
func as(name string) url.Values { return url.Values{"name": {name}} }
