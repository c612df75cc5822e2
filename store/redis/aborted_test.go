package redis_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
	"github.com/mirage-go/mirage/store/redis"
	"github.com/mirage-go/mirage/transport"
	"github.com/mirage-go/mirage/transport/poll"
)

var aborted = flag.Int("aborted", 400, "GETs that are given up in TestL1AbortedGets")

// Requests that their clients give up at any moment leave a session within its bounds of
// readers and links, and end on all of them within a while.
func TestL1AbortedGets(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]string{"streams": "", "polls": "&_wait=0"} {
		t.Run("memory, "+name, func(t *testing.T) { t.Parallel(); abortGets(t, memory.New(memory.Options{}), mode) })
		t.Run("redis, "+name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t, dial(t, slowly(t, startServer(t)).Addr()), redis.Options{})
			abortGets(t, s, mode)

			l, _, err := s.Open(ctx, "x", store.Asked{}, true, roomy)
			if err != nil {
				t.Fatal(err)
			}

			links := func() (readers, links int) {
				for r := range strings.FieldsSeq(redis.Readers(s, l)) {
					var n int
					_, count, _ := strings.Cut(r, ":")
					fmt.Sscan(count, &n)
					readers, links = readers+1, links+n
				}
				return readers, links
			}

			r, k := links()
			t.Logf("%d readers and %d links are left", r, k)
			if r > 225 || k > 97 {
				t.Error("that is beyond the bounds")
			}
			until(t, "the links have ended", func() bool { _, k := links(); return k == 0 })
		})
	}
}

func abortGets(t *testing.T, s store.Store, query string) {
	var mu sync.Mutex
	var names []string
	m := session.New(session.Options{
		Store: s, LinkRate: -1,
		OnAttach: func(_ context.Context, _ *session.Session, r session.ReaderInfo) {
			mu.Lock()
			defer mu.Unlock()
			names = append(names, r.Reader)
		},
	})
	t.Cleanup(func() {
		late, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		m.Shutdown(late)
	})
	codec, err := cookie.New(cookie.Options{}, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	value, err := codec.SignAt(cookie.ID, "x", s.Now())
	if err != nil {
		t.Fatal(err)
	}
	o := transport.Options{Poll: poll.Options{Pause: time.Second}}
	who := middleware.New(middleware.Options{Codec: codec, Sessions: m})
	web := httptest.NewServer(who.Guard(transport.Handler(m, o)))
	defer func() { web.CloseClientConnections(); web.Close() }()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()

	next := make(chan int)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for i := range next {
				gone, cancel := context.WithTimeout(ctx, time.Duration(1+i%60)*time.Millisecond)
				r, _ := http.NewRequestWithContext(gone, "GET",
					fmt.Sprintf("%s/?_cid=aborted-%016d%s", web.URL, i, query), nil)
				r.Header.Set("Accept", "text/event-stream")
				r.Header.Set("Cookie", "__Host-mirage="+value)
				if res, err := client.Do(r); err == nil {
					_, _ = io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
				cancel()
			}
		})
	}
	for i := range *aborted {
		next <- i
	}
	close(next)
	all.Wait()

	x, err := m.Open(ctx, "x")
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	known := 0
	for _, name := range names {
		if _, err := x.SendTo(ctx, name, store.Text("hello")); err == nil {
			known++
		}
	}
	t.Logf("of %d GETs, %d readers came, and %d are remembered", *aborted, len(names), known)
	if known > 225 {
		t.Error("that is beyond the bounds")
	}
}
