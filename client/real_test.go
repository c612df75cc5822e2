package client_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/miragetest"
)

// C1: on a real network, over HTTP/1 and HTTP/2, whose connections are cut all the time.
func TestC1RealNetwork(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it waits for a real network")
	}
	for _, http2 := range []bool{false, true} {
		for _, transport := range append(transports, "") {
			t.Run(fmt.Sprintf("http2=%v transport %s", http2, transport), func(t *testing.T) {
				t.Parallel()
				var mu sync.Mutex
				var got []string
				live := mirage.New(mirage.Options{
					Insecure: true,
					Logger:   slog.New(slog.DiscardHandler),
					LinkRate: -1,
					OnMessage: func(ctx context.Context, s *mirage.Session, in mirage.Incoming) error {
						mu.Lock()
						got = append(got, string(in.Data))
						mu.Unlock()
						_, err := s.Send(ctx, in.Message)
						return err
					},
				})
				server := httptest.NewUnstartedServer(live)
				server.EnableHTTP2 = http2
				server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
				if http2 {
					server.StartTLS()
				} else {
					server.Start()
				}
				t.Cleanup(server.Close)
				t.Cleanup(func() {
					ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
					defer cancel()
					_ = live.Shutdown(ctx)
				})
				proxy := miragetest.NewProxy(t, server.URL)

				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
				defer cancel()
				o := client.Options{HTTPClient: server.Client(), MaxDelay: 200 * time.Millisecond}
				o.Logger = slog.New(slog.DiscardHandler)
				if transport != "" {
					o.Transports = []string{transport}
				}
				c, err := client.Dial(ctx, proxy.URL()+"/live", o)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close(ctx)

				want := numbers(0, 150)
				var work sync.WaitGroup
				work.Go(func() {
					for _, text := range want {
						if err := c.Send(ctx, client.Message{Data: []byte(text)}); err != nil {
							t.Errorf("Send: %v", err)
							return
						}
						time.Sleep(5 * time.Millisecond)
					}
				})
				work.Go(func() {
					for i := range 12 {
						time.Sleep(60 * time.Millisecond)
						proxy.Cut([]miragetest.Ending{miragetest.RST, miragetest.FIN}[i%2])
					}
				})
				equal(t, take(t, c.Messages, len(want)), want...)
				work.Wait()
				mu.Lock()
				defer mu.Unlock()
				if !slices.Equal(got, want) {
					t.Errorf("the application was called with %q", got)
				}
			})
		}
	}
}
