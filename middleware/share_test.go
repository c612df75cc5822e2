package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
)

// counter is a Generate that waits and counts.
type counter struct {
	mu    sync.Mutex
	calls int
	ended []error // of the contexts
	err   error
	wait  time.Duration
}

func (c *counter) generate(r *http.Request) (string, error) {
	c.mu.Lock()
	c.calls++
	id := fmt.Sprint("id", c.calls)
	c.mu.Unlock()
	select {
	case <-time.After(c.wait):
	case <-r.Context().Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = append(c.ended, r.Context().Err())
	return id, c.err
}

// serve sends requests at once and returns the ids they got, "" for a refusal.
func serve(s *site, codec *cookie.Codec, requests ...*http.Request) []string {
	ids := make([]string, len(requests))
	var wg sync.WaitGroup
	for i, r := range requests {
		wg.Go(func() {
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, r)
			if c := cookieOf(w.Result()); c != "" {
				p, _ := codec.Read(request("GET", "/", withCookie(c)))
				ids[i] = p.ID
			}
		})
	}
	wg.Wait()
	return ids
}

// I10: parallel first requests of one client object get one id, and so do those of the
// next ten seconds.
func TestI10Shared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{wait: time.Second}
		s := newSite(t, middleware.Options{Generate: c.generate})
		first := func(headers ...string) *http.Request { return request("GET", "/?_cid="+cid, headers...) }
		ids := serve(s, s.codec, first(), first(), first("X-Other: 1"))
		if ids[0] != "id1" || ids[1] != "id1" || ids[2] != "id1" || c.calls != 1 {
			t.Errorf("ids %q, %d calls", ids, c.calls)
		}
		time.Sleep(10*time.Second - time.Millisecond)
		if ids := serve(s, s.codec, first()); ids[0] != "id1" {
			t.Errorf("within ten seconds: %q", ids)
		}
		time.Sleep(2 * time.Millisecond)
		if ids := serve(s, s.codec, first()); ids[0] != "id2" {
			t.Errorf("after ten seconds: %q", ids)
		}
	})
}

// I10: the default id is shared, too.
func TestI10Default(t *testing.T) {
	s := newSite(t, middleware.Options{})
	_, a := s.admit(request("GET", "/?_cid="+cid))
	_, b := s.admit(request("GET", "/?_cid="+cid))
	_, c := s.admit(request("GET", "/?_cid="+cid, "Authorization: x"))
	if a.ID != b.ID || a.ID == c.ID {
		t.Errorf("ids %q, %q, %q", a.ID, b.ID, c.ID)
	}
}

// I10: an id is not shared with another client, with other credentials, or under a _cid
// that could be guessed.
func TestI10NotShared(t *testing.T) {
	tests := map[string][2]*http.Request{
		"another _cid":   {request("GET", "/?_cid="+cid), request("GET", "/?_cid="+cid+"x")},
		"another cookie": {request("GET", "/?_cid="+cid, "Cookie: a=1"), request("GET", "/?_cid="+cid, "Cookie: a=2")},
		"another principal": {
			request("GET", "/?_cid="+cid, "Authorization: a"),
			request("GET", "/?_cid="+cid, "Authorization: b"),
		},
		"moved between": {
			request("GET", "/?_cid="+cid, "Cookie: a"),
			request("GET", "/?_cid="+cid, "Authorization: a"),
		},
		"split otherwise": {
			request("GET", "/?_cid="+cid, "Cookie: a", "Cookie: b"),
			request("GET", "/?_cid="+cid, "Cookie: ab"),
		},
		"too short":    {request("GET", "/?_cid="+cid[1:]), request("GET", "/?_cid="+cid[1:])},
		"too long":     {request("GET", "/?_cid="+cid+cid+cid), request("GET", "/?_cid="+cid+cid+cid)},
		"no base64url": {request("GET", "/?_cid="+cid+"+"), request("GET", "/?_cid="+cid+"+")},
		"two of them":  {request("GET", "/?_cid="+cid+"&_cid=x"+cid), request("GET", "/?_cid="+cid+"&_cid=x"+cid)},
		"three of them": {
			request("GET", "/?_cid="+cid+"&_cid=&_cid="+cid),
			request("GET", "/?_cid="+cid+"&_cid=&_cid="+cid),
		},
		"no _cid": {request("GET", "/"), request("GET", "/")},
	}

	for name, pair := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, middleware.Options{})
			_, a := s.admit(pair[0])
			_, b := s.admit(pair[1])
			if a.ID == b.ID {
				t.Errorf("both got %q", a.ID)
			}
		})
	}
}

// I10: the call continues while any of its requests waits, even if the first one left,
// and ends with the last.
func TestI10Leaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{wait: 3 * time.Second}
		s := newSite(t, middleware.Options{Generate: c.generate})
		leaver := func(after time.Duration) *http.Request {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(after, cancel)
			return request("GET", "/?_cid="+cid).WithContext(ctx)
		}
		var ids []string
		go serve(s, s.codec, leaver(time.Second)) // the one that makes the call
		time.Sleep(time.Millisecond)
		ids = serve(s, s.codec, request("GET", "/?_cid="+cid))
		synctest.Wait()
		if ids[0] != "id1" || c.ended[0] != nil {
			t.Errorf("ids %q, contexts %v", ids, c.ended)
		}

		time.Sleep(time.Minute)
		start := time.Now()
		go serve(s, s.codec, leaver(time.Second))
		time.Sleep(time.Millisecond)
		serve(s, s.codec, leaver(2*time.Second))
		synctest.Wait()
		if len(c.ended) != 2 || !errors.Is(c.ended[1], context.Canceled) || time.Since(start) > 3*time.Second {
			t.Errorf("contexts %v after %v", c.ended, time.Since(start))
		}
		if ids := serve(s, s.codec, request("GET", "/?_cid="+cid)); ids[0] != "id3" {
			t.Errorf("after all had left: %q", ids)
		}
	})
}

// I10: waiting requests share a failure and the timeout. Later requests do not.
func TestI10Failure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{wait: time.Second, err: errors.New("no")}
		s := newSite(t, middleware.Options{Generate: c.generate, Logger: slog.New(slog.DiscardHandler)})
		first := func() *http.Request { return request("GET", "/?_cid="+cid) }
		if ids := serve(s, s.codec, first(), first()); ids[0]+ids[1] != "" || c.calls != 1 {
			t.Errorf("ids %q, %d calls", ids, c.calls)
		}
		c.err = nil
		if ids := serve(s, s.codec, first()); ids[0] != "id2" {
			t.Errorf("after a failure: %q", ids)
		}
		time.Sleep(time.Minute)
		c.wait = time.Hour
		start := time.Now()
		if ids := serve(s, s.codec, first(), first()); ids[0]+ids[1] != "" || time.Since(start) != 5*time.Second {
			t.Errorf("ids %q after %v", ids, time.Since(start))
		}
	})
}

// I10: a panic of a shared Generate wakes the waiting requests.
func TestI10Panic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, middleware.Options{
			Logger: slog.New(slog.DiscardHandler),
			Generate: func(*http.Request) (string, error) {
				time.Sleep(time.Second)
				panic("boom")
			},
		})
		start := time.Now()
		serve(s, s.codec, request("GET", "/?_cid="+cid), request("GET", "/?_cid="+cid))
		if time.Since(start) != time.Second {
			t.Errorf("they waited %v", time.Since(start))
		}
	})
}

// I10: the number of remembered calls is bounded. Beyond the bound, ids are still made.
func TestI10Bound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, middleware.Options{})
		for i := range 5000 {
			s.admit(request("GET", fmt.Sprintf("/?_cid=%022d", i)))
		}
		_, a := s.admit(request("GET", fmt.Sprintf("/?_cid=%022d", 4999)))
		_, b := s.admit(request("GET", fmt.Sprintf("/?_cid=%022d", 4999)))
		if a.ID == b.ID {
			t.Error("shared beyond the bound")
		}
		time.Sleep(time.Minute)
		_, a = s.admit(request("GET", "/?_cid="+cid))
		_, b = s.admit(request("GET", "/?_cid="+cid))
		if a.ID != b.ID {
			t.Error("the bound did not go with its entries")
		}
	})
}
