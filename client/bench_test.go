package client_test

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
)

// BenchmarkC1Down measures one message from the server to a loop, and BenchmarkC1Up one
// from Send to the application, both through a server in this process.
func BenchmarkC1Down(b *testing.B) {
	benchmarkClient(b, mirage.Options{MaxMessages: 1 << 20, MaxBytes: 1 << 30}, func(
		b *testing.B, live *mirage.Live, c *client.Client,
	) {
		go func() {
			for range b.N {
				if _, err := live.Send(b.Context(), c.ID(), mirage.Text("0123456789")); err != nil {
					b.Error(err)
				}
			}
		}()
		n := 0
		for _, err := range c.Messages(b.Context()) {
			if err != nil {
				b.Fatal(err)
			}
			if n++; n == b.N {
				break
			}
		}
	})
}

// BenchmarkC1Up is explained at BenchmarkC1Down.
func BenchmarkC1Up(b *testing.B) {
	o := mirage.Options{
		Rate:      -1,
		OnMessage: func(context.Context, *mirage.Session, mirage.Incoming) error { return nil },
	}
	benchmarkClient(b, o, func(b *testing.B, _ *mirage.Live, c *client.Client) {
		for range b.N {
			if err := c.Send(b.Context(), client.Message{Data: []byte("0123456789")}); err != nil {
				b.Fatal(err)
			}
		}
		if err := c.Emit(b.Context(), "last", nil); err != nil {
			b.Fatal(err)
		}
	})
}

func benchmarkClient(b *testing.B, o mirage.Options, run func(*testing.B, *mirage.Live, *client.Client)) {
	o.Insecure, o.Logger = true, slog.New(slog.NewTextHandler(io.Discard, nil))
	for _, transport := range transports {
		b.Run(transport, func(b *testing.B) {
			live := mirage.New(o)
			server := httptest.NewServer(live)
			defer server.Close()
			defer live.Shutdown(b.Context())
			c, err := client.Dial(b.Context(), server.URL+"/live", client.Options{Transports: []string{transport}})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close(b.Context())
			b.ReportAllocs()
			b.ResetTimer()
			run(b, live, c)
			b.StopTimer()
		})
	}
}
