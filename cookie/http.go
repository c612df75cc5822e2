package cookie

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxCookies is how many cookies of our name are looked at. Browsers send one. More are
// an attempt to plant a cookie or to waste our CPU time.
const maxCookies = 16

// Presented is an id from a cookie whose signature verified.
type Presented struct {
	ID     string
	Signed time.Time // the signing time
	Value  string    // the signed value as received; not canonical, so never a key
	Renew  bool      // due for renewal: a quarter of MaxAge has passed, or it was not signed by the first key
}

// Read returns the id that the request's cookie presents. It ignores values that do not
// verify, so a forged cookie beside the right one does no harm. If several values have
// the same id, it returns the one with the latest signing time. If valid cookies have
// different ids, somebody has planted one (cookie tossing), and Read reports false. It
// looks only at the first 16 cookies of our name.
func (c *Codec) Read(r *http.Request) (p Presented, ok bool) {
	for _, value := range c.Values(r) {
		id, signed, key, err := c.verify(ID, value)
		switch {
		case err != nil:
			continue
		case ok && id != p.ID:
			return Presented{}, false
		case ok && !signed.After(p.Signed):
			continue
		}
		p, ok = Presented{ID: id, Signed: signed, Value: value, Renew: key > 0 || c.Stale(signed)}, true
	}
	return p, ok
}

// Stale reports whether a value with this signing time is due for renewal.
func (c *Codec) Stale(signed time.Time) bool { return time.Since(signed) > c.options.MaxAge/4 }

// Values returns the unverified values of the first 16 cookies of our name. They
// distinguish "no cookie" from "no valid cookie".
func (c *Codec) Values(r *http.Request) []string {
	cookies := r.CookiesNamed(c.name)
	values := make([]string, min(len(cookies), maxCookies))
	for i := range values {
		values[i] = cookies[i].Value
	}
	return values
}

// Set combines Sign and Put: it signs id with the current time and puts the signed value
// into h. If Sign fails, Set returns its error and leaves h unchanged.
func (c *Codec) Set(h http.Header, id string) (signed string, err error) {
	signed, err = c.Sign(ID, id)
	if err != nil {
		return "", err
	}
	c.Put(h, signed)
	return signed, nil
}

// Put adds a Set-Cookie to h, the header of a response that is not yet written. signed is
// a value that was signed for the purpose ID. Put replaces an earlier Set-Cookie of ours.
// It also keeps shared caches from storing the response, unless h already has a
// Cache-Control.
func (c *Codec) Put(h http.Header, signed string) {
	c.put(h, signed, int(c.options.MaxAge/time.Second))
}

// Withdraw removes our Set-Cookie from h, the header of a response that is not yet
// written. It keeps other cookies and Cache-Control.
func (c *Codec) Withdraw(h http.Header) {
	lines := slices.DeleteFunc(h["Set-Cookie"], func(line string) bool { return strings.HasPrefix(line, c.name+"=") })
	if len(lines) == 0 {
		delete(h, "Set-Cookie")
		return
	}
	h["Set-Cookie"] = lines
}

// Expire adds a Set-Cookie to h, the header of a response that is not yet written, that
// deletes our cookie in the browser. It replaces an earlier Set-Cookie of ours and treats
// Cache-Control as Put does. Copies of the signed value stay valid: Expire revokes
// nothing.
func (c *Codec) Expire(h http.Header) {
	c.put(h, "", -1)
}

// put replaces our Set-Cookie in h. A negative maxAge is written as Max-Age=0.
func (c *Codec) put(h http.Header, value string, maxAge int) {
	cookie := http.Cookie{
		Name: c.name, Value: value, Path: "/", MaxAge: maxAge,
		Secure: !c.options.Insecure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if c.options.Embedded {
		cookie.SameSite, cookie.Partitioned = http.SameSiteNoneMode, true
	}
	c.Withdraw(h)
	h.Add("Set-Cookie", cookie.String())
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "private")
	}
}
