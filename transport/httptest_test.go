package transport_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/transport"
	"github.com/mirage-go/mirage/transport/sse"
)

// L1: httptest.Server.Close, which tells handlers nothing, does not wait for a poll that waits, nor for a stream that keeps its handler: they end as
// at a Shutdown of the server. A server without keep-alive that does not close ends nothing.
func TestL1TestServerCloses(t *testing.T) {
	for name, tt := range map[string]struct {
		o    transport.Options
		h2   bool
		wait string
	}{
		"a poll":             {wait: "25"},
		"a stream":           {o: transport.Options{SSE: sse.Options{Plain: true}}},
		"a hijacked stream":  {},
		"a poll on HTTP/2":   {h2: true, wait: "25"},
		"a stream on HTTP/2": {h2: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, setup{transport: tt.o})
			protocols := func(p *http.Protocols) { p.SetHTTP1(!tt.h2); p.SetUnencryptedHTTP2(tt.h2) }
			s.srv.Config.Protocols = new(http.Protocols)
			protocols(s.srv.Config.Protocols)
			s.srv.Start()
			client, token, cookie := s.client(protocols), "", s.cookie("ann")
			get := func(more string) *http.Response {
				r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), "GET", s.url()+"?_cid=0123456789012345678901"+more, nil)
				if err != nil {
					t.Error(err)
				}
				r.Header.Set("Accept", "text/event-stream")
				r.Header.Set("Cookie", cookie)
				r.Header.Set("Mirage-Link", token)
				resp, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return &http.Response{Body: http.NoBody}
				}
				return resp
			}
			more := ""
			if tt.wait != "" {
				resp := get("&_wait=1")
				hello, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				_, token, _ = strings.Cut(string(hello), `"link":"`)
				token, _, _ = strings.Cut(token, `"`)
				more = "&_wait=" + tt.wait
			}
			ended := make(chan string)
			go func() {
				resp := get(more)
				defer resp.Body.Close()
				text, err := io.ReadAll(resp.Body)
				if err != nil && !tt.h2 { // which is cut
					t.Error(err)
				}
				ended <- string(text)
			}()
			if !tt.h2 { // there it is the beginning of the end
				s.srv.Config.SetKeepAlivesEnabled(false)
			}
			select {
			case text := <-ended:
				t.Fatalf("ended before the server: %q", text)
			case <-time.After(300 * time.Millisecond): // by now it is under way
			}
			start := time.Now()
			s.srv.Close()
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("Close took %v", took)
			}
			if text := <-ended; !tt.h2 && !strings.Contains(text, "mirage-drain") {
				t.Errorf("the end: %q", text)
			}
		})
	}
}
