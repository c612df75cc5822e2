package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// door is an application with log-in and log-out on a real session layer.
type door struct {
	*testing.T
	codec *cookie.Codec
	m     *session.Manager
	mux   http.Handler
	seen  middleware.Identity // of the last request
	known bool
	link  error // from Require in the last request to /live
}

func newDoor(t *testing.T, o middleware.Options) *door {
	d := &door{T: t, codec: newCodec(t, cookie.Options{}), m: session.New(session.Options{})}
	t.Cleanup(func() { d.m.Shutdown(context.Background()) })
	o.Codec, o.Sessions = d.codec, d.m

	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		if _, err := middleware.Rotate(w, r); err != nil {
			t.Errorf("Rotate: %v", err)
		}
		d.seen, d.known = middleware.FromContext(r.Context())
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		if err := middleware.Logout(w, r); err != nil {
			t.Errorf("Logout: %v", err)
		}
	})
	mux.HandleFunc("/live", func(w http.ResponseWriter, r *http.Request) {
		var id middleware.Identity
		if id, d.link = middleware.Require(w, r); d.link == nil {
			id.Grant(w)
		}
	})
	mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) {
		d.seen, d.known = middleware.FromContext(r.Context())
	})

	d.mux = middleware.New(o).Guard(mux)
	return d
}

func (d *door) ask(method, target, value string, headers ...string) *http.Response {
	if value != "" {
		headers = append(headers, withCookie(value))
	}
	w := httptest.NewRecorder()
	d.mux.ServeHTTP(w, request(method, target, headers...))
	return w.Result()
}

// value returns the cookie that a page gets.
func (d *door) value() string { return cookieOf(d.ask("GET", "/", "")) }

// I11, I14: for ten seconds after Rotate, links and POSTs without a token that present
// the old value are told to retry. After that they are refused for good. A link never
// sends a cookie for the old value.
func TestI14RotatedLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t, middleware.Options{})
		old := d.value()
		time.Sleep(time.Minute)
		now := cookieOf(d.ask("POST", "/login", old))

		links := map[string]func(value string) (status int, res *http.Response){
			"a link of our client": func(value string) (int, *http.Response) {
				res := d.ask("GET", "/live?_cid="+cid, value, "Accept: text/event-stream")
				if res.StatusCode != 200 {
					return res.StatusCode, res
				}
				return statusOf(d.link), res
			},
			"a link of a plain client": func(value string) (int, *http.Response) {
				res := d.ask("GET", "/live", value, "Accept: text/event-stream")
				return statusOf(d.link), res
			},
			"a POST": func(value string) (int, *http.Response) {
				res := d.ask("POST", "/live", value)
				return statusOf(d.link), res
			},
		}

		for _, when := range []struct {
			after time.Duration
			want  int
		}{{0, 503}, {time.Second, 503}, {store.Settle - time.Second, 410}, {time.Hour, 410}} {
			time.Sleep(when.after)
			for name, link := range links {
				status, res := link(old)
				if status != when.want || cookieOf(res) != "" {
					t.Errorf("%s, %v later: status %d with the cookie %q, want %d",
						name, when.after, status, cookieOf(res), when.want)
				}
				if retry := res.Header.Get("Retry-After"); res.StatusCode == 503 && retry != "1" && retry != "2" {
					t.Errorf("%s: Retry-After %q", name, retry)
				}
				if status, _ := link(now); status != 0 {
					t.Errorf("%s with the new value: %d", name, status)
				}
			}
		}
	})
}

// I14, I15: a route of the application treats a rotated or revoked value as absent. For
// ten seconds the identity is only for this request, because a log-in may be in progress.
// After that the visitor gets a new one.
func TestI15QuietRoutes(t *testing.T) {
	for name, end := range map[string]func(d *door, value string){
		"rotated": func(d *door, value string) { d.ask("POST", "/login", value) },
		"revoked": func(d *door, value string) {
			id, _, _ := d.codec.Verify(cookie.ID, value)
			if err := d.m.Revoke(d.Context(), id); err != nil {
				d.Error(err)
			}
		},
		"logged out": func(d *door, value string) { d.ask("POST", "/logout", value) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDoor(t, middleware.Options{})
				old := d.value()
				was, _, _ := d.codec.Verify(cookie.ID, old)
				time.Sleep(time.Minute)
				end(d, old)
				for _, target := range []string{"/", "/?_mirage="} {
					res := d.ask("POST", target, old)
					if !d.known || d.seen.ID == was ||
						d.seen.Previous != "" || d.seen.Signed != "" || cookieOf(res) != "" {
						t.Errorf("%s at once: %+v, %v, cookie %q", target, d.seen, d.known, cookieOf(res))
					}
				}

				// A log-in is answered as usual, and its cookie is the one that stays.
				res := d.ask("POST", "/login", old)
				if id, _, err := d.codec.Verify(cookie.ID, cookieOf(res)); err != nil || id != d.seen.ID || id == was {
					t.Errorf("log-in: the cookie is for %q, %v; the application sees %+v", id, err, d.seen)
				}

				time.Sleep(store.Settle)
				res = d.ask("POST", "/", old)
				id, _, err := d.codec.Verify(cookie.ID, cookieOf(res))
				if !d.known || err != nil || id != d.seen.ID || id == was {
					t.Errorf("later: %+v, the cookie is for %q, %v", d.seen, id, err)
				}
			})
		})
	}
}

// I11: log-out revokes the id and deletes the cookie in the browser. A tab that had that
// id and reconnects without a value is told that its session has ended, and no other tab
// is.
func TestI11Logout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t, middleware.Options{})
		value := d.value()
		id := d.seen.ID
		if _, err := d.m.Open(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		res := d.ask("POST", "/logout", value)
		got := res.Cookies()
		if len(got) != 1 || got[0].Name != cookieName || got[0].MaxAge >= 0 || got[0].Value != "" {
			t.Errorf("cookies %v; want one that expires ours", got)
		}
		if _, err := d.m.Send(t.Context(), id, store.Text("x")); err == nil {
			t.Error("the session is still there")
		}
		is, err := d.m.Resolve(t.Context(), id, store.Asked{Signed: d.m.Now().Add(-time.Second), Came: d.m.Now()}, "")
		if err != nil || is.State != store.StateRevoked {
			t.Errorf("the id stands %+v, %v", is, err)
		}

		live := "/live?_cid=" + cid
		if res := d.ask("GET", live+"&_was="+id, ""); res.StatusCode != 410 || cookieOf(res) != "" {
			t.Errorf("a tab that was it: %d, cookie %q", res.StatusCode, cookieOf(res))
		}
		for name, target := range map[string]string{
			"a new tab":                    live,
			"a tab that was somebody else": live + "&_was=other",
			"nonsense":                     live + "&_was=%00",
			"a page":                       "/?_was=other",
		} {
			if res := d.ask("GET", target, ""); res.StatusCode != 200 || cookieOf(res) == "" {
				t.Errorf("%s: %d, cookie %q", name, res.StatusCode, cookieOf(res))
			}
		}
		other := d.value()
		res = d.ask("GET", live+"&_was="+id, other, "Accept: text/event-stream")
		if res.StatusCode != 200 || d.link != nil {
			t.Errorf("a tab that was it and has a value again: %d, %v", res.StatusCode, d.link)
		}
	})
}

// I11: Logout without a visitor, or for one whose id it cannot revoke, changes nothing
// and returns an error.
func TestI11LogoutFails(t *testing.T) {
	codec := newCodec(t, cookie.Options{})
	old, _ := codec.Sign(cookie.ID, "ann")
	logout := func(o middleware.Options, r *http.Request) (*http.Response, error) {
		var err error
		o.Codec = codec
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { err = middleware.Logout(w, r) })
		w := httptest.NewRecorder()
		middleware.New(o).Guard(h).ServeHTTP(w, r)
		return w.Result(), err
	}

	broken := newFake()
	broken.revokeErr = context.DeadlineExceeded
	for name, test := range map[string]struct {
		o middleware.Options
		r *http.Request
	}{
		"a foreign page": {middleware.Options{}, request("POST", "/", withCookie(old), "Sec-Fetch-Site: cross-site")},
		"of a link":      {middleware.Options{}, request("POST", "/", withCookie(old), "Mirage-Link: x")},
		"store is down":  {middleware.Options{Sessions: broken}, request("POST", "/", withCookie(old))},
	} {
		if res, err := logout(test.o, test.r); err == nil || len(res.Cookies()) != 0 {
			t.Errorf("%s: %v, cookies %v", name, err, res.Cookies())
		}
	}

	if err := middleware.Logout(httptest.NewRecorder(), request("POST", "/")); statusOf(err) != 500 {
		t.Errorf("without the middleware: %v", err)
	}
	res, err := logout(middleware.Options{}, request("POST", "/?_mirage=~"+old))
	if err != nil || len(res.Cookies()) != 0 {
		t.Errorf("who came by the query: %v, cookies %v", err, res.Cookies())
	}
}

// I13: the signing time of values handed out is when the request was first looked at,
// however long the hook took. A revocation in between applies.
func TestI13SignedWhenItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t, middleware.Options{Generate: func(r *http.Request) (string, error) {
			time.Sleep(3 * time.Second)
			return "ann", nil
		}})
		came := time.Now()
		done := make(chan string)
		go func() { done <- d.value() }()
		time.Sleep(time.Second)
		if err := d.m.Revoke(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		value := <-done
		if _, at, err := d.codec.Verify(cookie.ID, value); err != nil || !at.Equal(came) {
			t.Errorf("signed at %v, %v; the request came at %v", at, err, came)
		}
		d.ask("GET", "/live", value, "Accept: text/event-stream")
		if statusOf(d.link) != 410 {
			t.Errorf("the value outlived the revocation: %v", d.link)
		}
	})
}

// I11: a value of a revoked id stays invalid for as long as it verifies. That may be
// longer than the cookie's Max-Age after the revocation, because it was handed out later.
func TestI11RevocationOutlivesTheValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t, middleware.Options{Generate: func(r *http.Request) (string, error) {
			time.Sleep(3 * time.Second)
			return "ann", nil
		}})
		done := make(chan string)
		go func() { done <- d.value() }()
		time.Sleep(time.Second)
		if err := d.m.Revoke(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		value := <-done
		time.Sleep(30*24*time.Hour - time.Second) // it verifies for another second
		if _, _, err := d.codec.Verify(cookie.ID, value); err != nil {
			t.Fatal(err)
		}
		if d.ask("GET", "/live", value, "Accept: text/event-stream"); statusOf(d.link) != 410 {
			t.Errorf("at the end of its Max-Age the value counts: %v", d.link)
		}
	})
}

// I13, I10: an id that two requests of a client share was decided when the first of them
// arrived, and is no longer shared once it was revoked.
func TestI13SharedIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		d := newDoor(t, middleware.Options{Generate: func(*http.Request) (string, error) {
			n++
			return fmt.Sprint("ann", n), nil
		}})
		came := time.Now()
		values := []string{cookieOf(d.ask("GET", "/?_cid="+cid, ""))}
		time.Sleep(time.Second)
		values = append(values, cookieOf(d.ask("GET", "/?_cid="+cid, "")))
		for _, value := range values {
			if id, at, err := d.codec.Verify(cookie.ID, value); id != "ann1" || !at.Equal(came) {
				t.Errorf("%q, signed at %v, %v; want ann1 at %v", id, at, err, came)
			}
		}
		if err := d.m.Revoke(t.Context(), "ann1"); err != nil {
			t.Fatal(err)
		}
		if d.ask("GET", "/?_cid="+cid, ""); d.seen.ID != "ann2" {
			t.Errorf("after the revocation the application sees %q", d.seen.ID)
		}
	})
}

// I15: a client that only asks gets the value that it presented, so that no answer has a
// later signing time than the request before it.
func TestI15AskingSignsNothing(t *testing.T) {
	d := newDoor(t, middleware.Options{})
	value := d.value()
	for _, target := range []string{"/?_mirage=", "/?_mirage=~" + value} {
		if res := d.ask("GET", target, value); d.seen.Signed != "~"+value || cookieOf(res) != "" {
			t.Errorf("%s: Signed %q, cookie %q", target, d.seen.Signed, cookieOf(res))
		}
	}
}

// I15: for ten seconds after a replacement the old value is not renewed, however
// old it is.
func TestI15NoRenewalOfWhatMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		replaces := true
		d := newDoor(t, middleware.Options{Validate: func(_ *http.Request, id string) (string, error) {
			if replaces {
				return "account", nil
			}
			return "", nil
		}})

		replaces = false
		old := d.value()
		time.Sleep(20 * 24 * time.Hour) // renewal is long due
		replaces = true
		if id, _, _ := d.codec.Verify(cookie.ID, cookieOf(d.ask("GET", "/", old))); id != "account" {
			t.Fatalf("replaced by %q", id)
		}

		replaces = false
		if res := d.ask("GET", "/", old); cookieOf(res) != "" {
			t.Errorf("the old value was renewed at once: %q", cookieOf(res))
		}
		time.Sleep(store.Settle)
		if res := d.ask("GET", "/", old); cookieOf(res) == "" {
			t.Error("the old value is not renewed any more")
		}
	})
}

// I11: an identity provider answers with a form that its page posts. The browser sends no
// cookie, and Rotate gives the visitor a new id. No other request of a foreign page gets
// one.
func TestI11RotateInACallback(t *testing.T) {
	form := []string{"Origin: https://idp.example", "Sec-Fetch-Site: cross-site"}
	for name, test := range map[string]struct {
		method  string
		headers []string
		want    bool
	}{
		"a form":     {"POST", []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, true},
		"in a frame": {"POST", []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"}, false},
		"a fetch":    {"POST", []string{"Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: empty"}, false},
		"a PUT":      {"PUT", []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, false},
		"no browser": {"POST", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			codec := newCodec(t, cookie.Options{})
			value, _ := codec.Sign(cookie.ID, "ann") // as with Embedded cookies, which are sent
			headers := append(append(test.headers, form...), withCookie(value))

			o := middleware.Options{Codec: codec, Sessions: f}
			res, id, after, err := login(o, request(test.method, "/", headers...))
			if (err == nil) != test.want || (cookieOf(res) != "") != test.want || (after.ID != "") != test.want {
				t.Errorf("%q, %v, cookie %q, identity %+v", id, err, cookieOf(res), after)
			}
			if len(f.moves) > 0 || len(f.revoked) > 0 {
				t.Errorf("the session of the visitor was touched: %q", f.moves)
			}
		})
	}
}

// I17: the application never sees a _cid, and cannot derive it from what it sees.
func TestI17NameOfTheClient(t *testing.T) {
	d := newDoor(t, middleware.Options{})
	d.ask("GET", "/?_cid="+cid, "")
	one := d.seen.Client
	d.ask("GET", "/?_cid="+cid, "")
	if again := d.seen.Client; one == "" || one == cid || one != again {
		t.Errorf("the client %s is called %q, then %q", cid, one, again)
	}
	d.ask("GET", "/?_cid=x"+cid, "")
	if d.seen.Client == one {
		t.Error("two clients have one name")
	}
	d.ask("GET", "/", "")
	if d.seen.Client != "" {
		t.Errorf("a plain client is called %q", d.seen.Client)
	}
}
