package e2e

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/mirage-go/mirage"
)

var reloads = flag.Int("reloads", 8, "`times` that TestM2Reload reloads its page on each transport")

// answerPage shows a growing message, on the transport that its query names.
const answerPage = `<!doctype html><title>answer</title><link rel="icon" href="data:,"><p></p>
<script type="module">
import Mirage from '/live/mirage.js'
const client = new Mirage('/live', { transports: [new URLSearchParams(location.search).get('on')] })
const room = client.join('answer:7', { from: 'start' })
room.on('answer', ({ text, done }) => {
  document.querySelector('p').textContent = text
  document.body.dataset.done = done
})
</script>`

const answerText = `document.querySelector('p')?.textContent ?? ''`

// An author writes pieces of a text until it is told to stop.
type author struct {
	mu      sync.Mutex
	written strings.Builder
}

func (a *author) text() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.written.String()
}

// write writes until ctx ends. Pieces may end within a character.
func (a *author) write(ctx context.Context, w io.Writer) error {
	for i := 0; ctx.Err() == nil; i++ {
		piece := fmt.Sprintf("%d é 漢字 🎉 <b>\n", i)
		cut := rand.IntN(len(piece))
		a.mu.Lock()
		a.written.WriteString(piece)
		a.mu.Unlock()
		for _, part := range []string{piece[:cut], piece[cut:]} {
			if _, err := io.WriteString(w, part); err != nil {
				return err
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return nil
}

// M2: a page that is reloaded in the middle of an answer shows all of it, byte for byte.
func TestM2Reload(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		live := mirage.New(mirage.Options{
			Insecure: true, Logger: slog.New(slog.DiscardHandler),
			OnJoin: func(context.Context, *mirage.Session, *mirage.Join) error { return nil },
		})
		mux := http.NewServeMux()
		mux.Handle("/live/", live)
		mux.Handle("/live", live)
		mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			io.WriteString(w, answerPage)
		})
		server := httptest.NewServer(mux)
		defer server.Close()
		defer live.Shutdown(context.Background())

		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		stream, a, wrote := live.Topic("answer:7").Stream(t.Context(), "answer", "1"), &author{}, make(chan error, 1)
		go func() { wrote <- a.write(ctx, stream) }()

		b := openTab(t, startBrowser(t), transport, server.URL+"/?on="+transport)
		for i := range *reloads {
			atLeast := len(a.text())
			b.until(fmt.Sprintf("%d bytes after %d reloads", atLeast, i),
				fmt.Sprintf(`new TextEncoder().encode(%s).length >= %d`, answerText, atLeast))
			if got := get[string](b, answerText); !strings.HasPrefix(a.text(), got) {
				t.Fatalf("after %d reloads the page shows %q", i, got)
			}
			time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
			b.must(chromedp.Do(b.ctx, chromedp.Reload()))
		}

		stop()
		if err := <-wrote; err != nil {
			t.Fatal(err)
		}
		if err := stream.Close(); err != nil {
			t.Fatal(err)
		}
		b.until("the end", `document.body.dataset.done === 'true'`)
		if got, want := get[string](b, answerText), a.text(); got != want {
			t.Errorf("the page shows %q, want %q", got, want)
		}
	})
}
