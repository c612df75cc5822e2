package client_test

import (
	"errors"
	"testing"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
)

// C1: messages go in both directions on each transport, once and in order, and Emit
// returns the server's status.
func TestC1BothDirections(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			onSite(t, mirage.Options{}, func(s *site) {
				c := s.connect(client.Options{Transports: []string{transport}})
				if got := c.State(); got.Phase != client.PhaseOpen || got.Transport != transport || got.ID == "" {
					t.Errorf("the state is %+v", got)
				}

				s.send(c, "one", "two\nlines", "\r\x00")
				equal(s, take(s, c.Messages, 3), "one", "two\nlines", "\r\x00")

				for _, text := range []string{"a", "b"} {
					if err := c.Send(s.Context(), client.Message{Data: []byte(text)}); err != nil {
						t.Error(err)
					}
				}
				if err := c.Emit(s.Context(), "said", 3); err != nil {
					t.Error(err)
				}
				var e *client.Error
				if err := c.Emit(s.Context(), "fail", 4); !errors.As(err, &e) || e.Status != 500 {
					t.Errorf("a handler that fails: %v", err)
				}
				s.has("a", "b", "3", "4")

				time.Sleep(20 * time.Minute) // beyond the age of a link
				s.send(c, "later")
				equal(s, take(s, c.Messages, 1), "later")
			})
		})
	}
}

// C1: Close may end the session on the server. That is no error for a loop.
func TestC1CloseEndsLoop(t *testing.T) {
	eachTransport(t, mirage.Options{}, func(s *site, o client.Options) {
		for range 50 {
			c := s.connect(o)
			errs := make(chan error, 1)
			go func() {
				defer close(errs)
				for _, err := range c.Messages(s.Context()) {
					if err != nil {
						errs <- err
						return
					}
				}
			}()
			time.Sleep(time.Second)
			s.close(c)
			if err := <-errs; err != nil {
				s.Fatalf("the loop: %v", err)
			}
		}
	})
}
