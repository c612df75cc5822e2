package plain_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	r3 "github.com/r3labs/sse/v2"
	gosse "github.com/tmaxmax/go-sse"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
)

// roomy is the buffer size that docs/plain.md recommends for Go clients. The largest
// message of 64 KiB has only empty lines, of seven bytes each.
const roomy = 512 << 10

// W4: Go clients get the largest message that a server sends by default, if they have the
// buffer that docs/plain.md names. With their own, of 64 KiB, they request it again and
// again and never get it, because its block is larger than its data.
func TestW4LargestForClientsOfGo(t *testing.T) {
	const largest = 64 << 10
	clients := map[string]func(ctx context.Context, url string, c *http.Client, buffer int, on func(string)){
		"go-sse": func(ctx context.Context, url string, c *http.Client, buffer int, on func(string)) {
			r, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			soon := gosse.Backoff{InitialInterval: 20 * time.Millisecond, Multiplier: 1}
			client := gosse.Client{HTTPClient: c, Backoff: soon}
			conn := client.NewConnection(r)
			if buffer > 0 {
				conn.Buffer(nil, buffer)
			}
			conn.SubscribeMessages(func(e gosse.Event) { on(e.Data) })
			_ = conn.Connect()
		},
		"r3labs": func(ctx context.Context, url string, c *http.Client, buffer int, on func(string)) {
			client := r3.NewClient(url)
			if buffer > 0 {
				r3.ClientMaxBufferSize(buffer)(client)
			}
			client.Connection, client.ReconnectStrategy = c, never{}
			for ctx.Err() == nil {
				_ = client.SubscribeRawWithContext(ctx, func(e *r3.Event) {
					if len(e.Event) == 0 {
						on(string(e.Data))
					}
				})
			}
		},
	}

	for name, read := range clients {
		for text, data := range map[string]string{
			"one line":    strings.Repeat("x", largest),
			"empty lines": strings.Repeat("\n", largest),
			"base64":      strings.Repeat("\r", largest),
		} {
			t.Run(name+"/"+text, func(t *testing.T) {
				t.Parallel()
				whole := len(data)
				if text == "base64" {
					whole = (largest + 2) / 3 * 4
				}

				for _, buffer := range []int{0, roomy} {
					s := startSite(t, memory.New(memory.Options{}))
					inProcess(s, func(ctx context.Context, url string, c *http.Client) {
						read(ctx, url, c, buffer, func(data string) {
							if len(data) == whole {
								s.hears("whole")
							}
						})
					})
					s.until("a reader", func() bool { return s.attached > 0 })
					if _, err := s.manager().Send(s.Context(), visitor, store.Text(data)); err != nil {
						t.Fatal(err)
					}

					if buffer > 0 {
						s.until("the message", func() bool { return len(s.heard) > 0 })
						continue
					}
					s.until("the client to ask again and again", func() bool { return s.asked > 3 })
					s.mu.Lock()
					if len(s.heard) > 0 {
						t.Error("it arrived with the client's own buffer: docs/plain.md says that it does not")
					}
					s.mu.Unlock()
				}
			})
		}
	}
}
