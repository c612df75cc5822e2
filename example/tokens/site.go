package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage"
)

// A site is the application: the pages, and what they say to the server.
type site struct {
	live    *mirage.Live
	answers *answers
}

func newSite(model Model, kept store, o mirage.Options) (s *site, err error) {
	s = &site{answers: newAnswers(model, kept)}
	o.Insecure = true // for plain http: omit this with TLS, and set Keys or Dir
	o.Topics = retain
	o.OnJoin = s.join
	o.OnMessage = s.receive
	s.live, err = mirage.Open(o)
	s.answers.live = s.live
	return s, err
}

func (s *site) handler() http.Handler {
	r := chi.NewRouter()
	r.Use(s.live.Identify)
	r.Mount("/live", s.live)
	r.Get("/", s.begin)
	r.Get("/c/{conversation}", s.show)
	r.Handle("/page/*", http.StripPrefix("/page", files()))
	return r
}

// retain says what the topic of a conversation retains: enough for pages that are away
// for a while. Older turns are in the store.
func retain(string) mirage.TopicOptions {
	return mirage.TopicOptions{MaxMessages: 20, MaxBytes: 2 * maxAnswer, MaxGrown: maxAnswer, Age: time.Hour}
}

// join lets everybody read a conversation who knows its address. A site with accounts
// asks here whether the conversation belongs to the user: see mirage.Value.
func (s *site) join(_ context.Context, _ *mirage.Session, j *mirage.Join) error {
	if conversation, ok := strings.CutPrefix(j.Topic, "conversation:"); !ok || !isID(conversation) {
		return &mirage.Error{Status: http.StatusForbidden, Reason: "no such conversation"}
	}
	return nil
}

// receive handles what pages say: "ask" and "stop".
func (s *site) receive(ctx context.Context, _ *mirage.Session, in mirage.Incoming) error {
	var v struct{ Conversation, ID, Question string }
	if err := json.Unmarshal(in.Data, &v); err != nil {
		return err
	}
	if !isID(v.Conversation) {
		return fmt.Errorf("no such conversation: %.40q", v.Conversation)
	}

	switch in.Event {
	case "ask":
		err := s.answers.ask(ctx, v.Conversation, v.ID, v.Question)
		if err != nil {
			slog.Warn("a question was refused", "error", err)
		}
		return err
	case "stop":
		return s.answers.halt(ctx, v.Conversation, v.ID)
	}
	return fmt.Errorf("no such event: %q", in.Event)
}

// isID reports whether id may name a conversation or a turn. Files are named for them.
func isID(id string) bool {
	return len(id) >= 8 && len(id) <= 64 &&
		!strings.ContainsFunc(id, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9') })
}
