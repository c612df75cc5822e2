package proxies_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/mirage-go/mirage/client"
)

// C1: the Go client reads and sends behind nginx and HAProxy, with the configurations of
// docs/operations.md. It finds a transport that works, and moves to others.
func TestC1BehindProxies(t *testing.T) {
	binary(t, "nginx")
	for i, name := range []string{"smallest", "better", "compressing"} {
		t.Run("nginx "+name, func(t *testing.T) {
			s := newSite(t, 0)
			s.goClient(t, startNginx(t, configurations(t)[i], s.addr).url)
		})
	}
	t.Run("haproxy", func(t *testing.T) {
		binary(t, "haproxy")
		s := newSite(t, 0)
		s.goClient(t, startHAProxy(t, s.addr))
	})
}

// goClient exchanges messages through the proxy at url, on each transport.
func (s *site) goClient(t *testing.T, url string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := client.Dial(ctx, url+"/live", client.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	t.Log("the client has chosen ", c.State().Transport)

	var want, got []string
	for i, transport := range []string{"", client.SSE, client.Poll} {
		if err := c.Use(ctx, transport); err != nil {
			t.Fatalf("Use(%q): %v", transport, err)
		}
		for j := range 50 {
			text := fmt.Sprint(i, ": ", j)
			want = append(want, text)
			if err := c.Send(ctx, client.Message{Data: []byte(text)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Emit(ctx, "last", i); err != nil {
			t.Errorf("Emit: %v", err)
		}
		want = append(want, fmt.Sprint(i))
	}

	for m, err := range c.Messages(ctx) {
		if err != nil {
			t.Fatalf("got %q, then %v", got, err)
		}
		if got = append(got, string(m.Data)); len(got) == len(want) {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.said, want) {
		t.Errorf("the application was called with %q", s.said)
	}
}
