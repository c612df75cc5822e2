package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/mirage-go/mirage"
)

// validate ends what a device gets when its log-in is over: a link lives for ten minutes,
// and each new one asks.
func (s *site) validate(r *http.Request, id string) (string, error) {
	if !s.accounts.mayLink(r, id) {
		return "", &mirage.Error{Status: http.StatusForbidden, Reason: "log in again"}
	}
	return "", nil
}

// value tells the callbacks whose device it is.
func (s *site) value(r *http.Request) any {
	if u, ok := s.accounts.user(r); ok {
		return u
	}
	return nil
}

// attach makes the device a member of its user's topic: all its tabs, and those to come.
func (s *site) attach(ctx context.Context, session *mirage.Session, _ mirage.Reader) {
	s.accounts.count(session.ID(), 1)
	u, ok := mirage.Value[user](ctx)
	if !ok {
		return
	}
	if err := session.Join(ctx, u.topic(), mirage.FromNow); err != nil {
		slog.Error("a device gets no notes", "user", u.ID, "error", err)
	}
	s.tellDevices(ctx, u)
}

func (s *site) detach(ctx context.Context, session *mirage.Session, _ mirage.Reader) {
	s.accounts.count(session.ID(), -1)
	if u, ok := mirage.Value[user](ctx); ok {
		s.tellDevices(ctx, u)
	}
}

// receive handles what pages say: "send" and "read".
func (s *site) receive(ctx context.Context, _ *mirage.Session, in mirage.Incoming) error {
	u, ok := mirage.Value[user](ctx)
	if !ok {
		return errors.New("nobody is logged in")
	}
	var v struct {
		To        int
		Text, Key string
		IDs       []int
	}
	if err := json.Unmarshal(in.Data, &v); err != nil {
		return err
	}

	switch in.Event {
	case "send":
		to, ok := userByID(v.To)
		if !ok {
			return fmt.Errorf("no such user: %d", v.To)
		}
		c, fresh, err := s.inboxes[to.ID].add(u.Name, v.Text, v.Key)
		if err != nil || !fresh {
			return err
		}
		return s.tell(ctx, to, "changed", c)
	case "read":
		if c, fresh := s.inboxes[u.ID].read(v.IDs); fresh {
			return s.tell(ctx, u, "changed", c)
		}
		return nil
	}
	return fmt.Errorf("no such event: %q", in.Event)
}

// tell sends something to all devices of a user.
func (s *site) tell(ctx context.Context, u user, event string, v any) error {
	msg, err := mirage.JSON(event, v)
	if err == nil {
		_, err = s.live.Topic(u.topic()).Publish(ctx, msg)
	}
	return err
}

// tellDevices tells the devices of a user that their list has changed. With a Key,
// several changes in a row are one.
func (s *site) tellDevices(ctx context.Context, u user) {
	msg := mirage.Message{Event: "devices", Data: []byte("null"), Key: "devices"}
	_, err := s.live.Topic(u.topic()).Publish(ctx, msg)
	if err != nil && !errors.Is(err, mirage.ErrClosed) {
		slog.Error("telling of devices", "user", u.ID, "error", err)
	}
}
