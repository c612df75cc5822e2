package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/store"
)

// login is an application that calls Rotate on every request. It returns the response,
// the results of Rotate, and the identity of FromContext afterwards.
func login(
	o middleware.Options, r *http.Request,
) (res *http.Response, id string, after middleware.Identity, err error) {
	w := httptest.NewRecorder()
	middleware.New(o).Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err = middleware.Rotate(w, r)
		after, _ = middleware.FromContext(r.Context())
	})).ServeHTTP(w, r)
	return w.Result(), id, after, err
}

// I11: Rotate moves the session to a new id, hands the id out only in this response, and
// then revokes the old one.
func TestI11Rotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, codec := newFake(), newCodec(t, cookie.Options{MaxAge: time.Hour})
		o := middleware.Options{Codec: codec, Sessions: f}
		old, _ := codec.Sign(cookie.ID, "ann")
		time.Sleep(30 * time.Minute) // so the middleware has already set a renewed cookie

		res, id, after, err := login(o, request("POST", "/", withCookie(old)))
		if err != nil || len(id) != 16 || after.ID != id || after.Previous != "ann" || after.Signed != "" {
			t.Fatalf("%q, %+v, %v", id, after, err)
		}
		if got := res.Cookies(); len(got) != 1 {
			t.Fatalf("cookies %v", got)
		}
		if got, _, err := codec.Verify(cookie.ID, cookieOf(res)); err != nil || got != id {
			t.Errorf("the cookie is for %q, %v", got, err)
		}
		if !cmp.Equal(f.moves, []string{"ann>>" + id}) {
			t.Errorf("moves %q", f.moves)
		}

		s := newSite(t, o)
		s.refuse(request("GET", "/?_cid="+cid, withCookie(old)), 410)
		if _, got := s.admit(request("GET", "/", withCookie(cookieOf(res)))); got.ID != id {
			t.Errorf("the new cookie is %q", got.ID)
		}

		before, _ := codec.Sign(cookie.Link, "ann 1 zzzzzzzz "+cid) // of a link that is still open
		for token, want := range map[string]int{before: 401, after.LinkToken(cid, 1, time.Minute): 0} {
			_, v, _ := s.do(request("POST", "/", withCookie(cookieOf(res)), "Mirage-Link: "+token))
			if statusOf(v.refusal) != want {
				t.Errorf("a link token: %v, want %d", v.refusal, want)
			}
		}
	})
}

// I11: a client that presents its id in the query gets the new value as Signed, and no
// cookie is set.
func TestI11RotateQuery(t *testing.T) {
	codec := newCodec(t, cookie.Options{})
	signed, _ := codec.Sign(cookie.ID, "ann")
	res, id, after, err := login(middleware.Options{Codec: codec}, request("POST", "/?_mirage=~"+signed))
	if got, verr := verify(codec, after.Signed); err != nil || verr != nil || got != id || len(res.Cookies()) != 0 {
		t.Errorf("%q, Signed for %q, %v, %v, cookies %v", id, got, err, verr, res.Cookies())
	}
}

// I11: each way in which Rotate fails, and the state afterwards.
func TestI11RotateFails(t *testing.T) {
	codec := newCodec(t, cookie.Options{})
	old, _ := codec.Sign(cookie.ID, "ann")
	boom, noIDs := errors.New("boom"), &middleware.Error{Status: 503, Reason: "no ids"}
	generates := func(id string, err error) middleware.Options {
		return middleware.Options{Generate: func(*http.Request) (string, error) { return id, err }}
	}
	moves := func(err error) middleware.Options {
		return middleware.Options{Sessions: &failing{fake: newFake(), move: err}}
	}
	tests := map[string]struct {
		options middleware.Options
		headers []string
		want    string // in the error
		moved   bool
	}{
		"generate fails":   {generates("", noIDs), nil, "no ids", false},
		"the same id":      {generates("ann", nil), nil, "old id", false},
		"a bad id":         {generates("a b", nil), nil, "failed to generate", false},
		"move fails":       {moves(boom), nil, "boom", false},
		"it is not known":  {moves(store.ErrUncertain), nil, "unknown", true},
		"a foreign page":   {middleware.Options{}, []string{"Sec-Fetch-Site: cross-site"}, "no identity", false},
		"a worthless link": {middleware.Options{}, []string{"Mirage-Link: x"}, "no identity", false},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.options.Codec = codec
			res, id, after, err := login(test.options, request("POST", "/", append(test.headers, withCookie(old))...))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			moved := id != ""
			if moved != test.moved || moved != (cookieOf(res) != "") || moved != (after.Previous == "ann") {
				t.Errorf("id %q, cookie %q, afterwards %+v; want moved %v", id, cookieOf(res), after, test.moved)
			}
		})
	}

	for name, ctx := range map[string]context.Context{
		"no middleware":   t.Context(),
		"only NewContext": middleware.NewContext(t.Context(), middleware.Identity{ID: "ann"}),
	} {
		_, err := middleware.Rotate(httptest.NewRecorder(), request("POST", "/").WithContext(ctx))
		if statusOf(err) != 500 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type failing struct {
	*fake
	move error
}

func (f *failing) Rotate(context.Context, string, string, store.Asked) error { return f.move }

// I11: if the new id cannot be signed, the old one stays valid and its session has not
// moved.
func TestI11RotateCannotSign(t *testing.T) {
	codec := newCodec(t, cookie.Options{})
	old, _ := codec.Sign(cookie.ID, "ann")
	sessions := &ahead{newFake()}
	o := middleware.Options{Codec: codec, Sessions: sessions}
	res, id, _, err := login(o, request("POST", "/", withCookie(old)))
	if err == nil || id != "" || cookieOf(res) != "" {
		t.Errorf("id %q, cookie %q, error %v", id, cookieOf(res), err)
	}
	if len(sessions.moves) > 0 {
		t.Errorf("nothing was handed out, and these have moved: %q", sessions.moves)
	}
}

// ahead is a session layer whose clock shows a time that cannot be signed.
type ahead struct{ *fake }

func (*ahead) Now() time.Time { return time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC) }
