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

// A house is the application. It has no state of its own: what was said and who is here
// are in the topics of the rooms.
type house struct{ live *mirage.Live }

// newHouse returns a house with the options that say where it runs.
func newHouse(o mirage.Options) (h *house, err error) {
	h = &house{}
	o.Insecure = true // for plain http: omit this with TLS, and set Keys or Dir
	o.Topics = retain
	o.OnAttach, o.OnJoin, o.OnMessage = h.welcome, h.join, h.receive
	h.live, err = mirage.Open(o)
	return h, err
}

func (h *house) handler() http.Handler {
	r := chi.NewRouter()
	r.Use(h.live.Identify)
	r.Mount("/live", h.live)
	r.Handle("/*", page())
	return r
}

// retain says what a room remembers: 200 messages of the last day. It has presence: its
// members are told who is here.
func retain(string) mirage.TopicOptions {
	return mirage.TopicOptions{MaxMessages: 200, Age: 24 * time.Hour, Presence: true}
}

// info is what the members of a room learn about each other.
type info struct {
	Who  string `json:"who"` // the same in all rooms
	Name string `json:"name"`
}

// welcome tells a tab who its visitor is, and under which name without another one.
func (h *house) welcome(ctx context.Context, s *mirage.Session, tab mirage.Reader) {
	msg, err := mirage.JSON("you", info{Who: who(s), Name: nameOf(s, "")})
	if err == nil {
		_, err = s.SendTo(ctx, tab.Reader, msg)
	}
	if err != nil {
		slog.Error("welcoming a tab", "error", err)
	}
}

// join lets everybody into every room. It completes what the page says about its visitor,
// so that nobody appears as somebody else. A room that is not for everybody is refused
// here.
func (h *house) join(_ context.Context, s *mirage.Session, j *mirage.Join) error {
	if room, ok := strings.CutPrefix(j.Topic, "room:"); !ok || !isRoom(room) {
		return &mirage.Error{Status: http.StatusForbidden, Reason: "there is no such room"}
	}

	var v info
	if j.Info != nil {
		if err := json.Unmarshal(j.Info, &v); err != nil {
			return &mirage.Error{Status: http.StatusBadRequest, Reason: "the info is not an object with a name"}
		}
	}
	var err error
	j.Info, err = json.Marshal(info{Who: who(s), Name: nameOf(s, v.Name)})
	return err
}

// receive handles what pages say: "say" and "typing". A room that is not for everybody is
// refused here, too: to say something, one need not have joined.
func (h *house) receive(ctx context.Context, s *mirage.Session, in mirage.Incoming) error {
	var v struct{ Room, Name, Text, Key string }
	if err := json.Unmarshal(in.Data, &v); err != nil {
		return err
	}
	if !isRoom(v.Room) {
		return fmt.Errorf("no such room: %.40q", v.Room)
	}

	topic, by := h.live.Topic("room:"+v.Room), info{Who: who(s), Name: nameOf(s, v.Name)}
	switch in.Event {
	case "say":
		return say(ctx, topic, by, v.Text, v.Key, in.Again)
	case "typing":
		return typing(ctx, topic, by)
	}
	return fmt.Errorf("no such event: %q", in.Event)
}

// isRoom reports whether a room may have this name.
func isRoom(name string) bool {
	return name != "" && len(name) <= 32 && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-')
	})
}
