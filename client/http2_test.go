package client_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/internal/test/memnet"
)

// C1: over HTTP/2, where all requests share a connection, a black hole does not keep the
// client on a connection that is dead.
func TestC1HTTP2Hole(t *testing.T) {
	for _, transport := range []string{client.SSE, client.Poll, ""} {
		t.Run("transport "+transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				live := mirage.New(mirage.Options{
					Keys: [][]byte{key}, Retention: time.Hour, Logger: slog.New(slog.DiscardHandler),
				})
				l := memnet.Listen()
				server := httptest.NewUnstartedServer(live)
				server.Listener.Close()
				server.Listener, server.EnableHTTP2 = l, true
				server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
				server.StartTLS()

				hole := new(hole)
				h := server.Client()
				h.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
					conn, err := l.Dial(ctx)
					if err != nil {
						return nil, err
					}
					return newHoleConn(conn, hole), nil
				}
				o := client.Options{HTTPClient: h, Logger: slog.New(slog.DiscardHandler)}
				if transport != "" {
					o.Transports = []string{transport}
				}
				c, err := client.Dial(t.Context(), server.URL+"/live", o)
				if err != nil {
					t.Fatal(err)
				}

				for _, text := range numbers(0, 5) {
					hole.set(true)
					if _, err := live.Send(t.Context(), c.ID(), mirage.Text(text)); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Minute)
					hole.set(false)
					began := time.Now()
					equal(t, take(t, c.Messages, 1), text)
					if d := time.Since(began); d > time.Minute {
						t.Errorf("the client has needed %v", d)
					}
					time.Sleep(time.Minute)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_ = c.Close(ctx)
				_ = live.Shutdown(ctx)
				h.CloseIdleConnections()
				server.CloseClientConnections()
				server.Config.Close()
				time.Sleep(time.Minute)
			})
		})
	}
}
