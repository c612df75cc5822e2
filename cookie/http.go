package cookie

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxCookies is how many cookies of our name are looked at. Browsers send one; more of
// them are an attempt to toss cookies or to make us compute.
const maxCookies = 16

// Presented is an id that came in a cookie whose signature verified.
type Presented struct {
	ID     string
	Signed time.Time // the signing time
	Value  string    // the signed value as it came; not canonical, so never a key
	Renew  bool      // due for renewal: MaxAge is used by a quarter, or a key other than the first signed
}

// Read returns the id that the request's cookie presents. Values that do not verify count
// for nothing, so a forged cookie beside the right one does no harm. Of several values
// for one id the one with the latest signing time is returned. Cookies with two different
// ids are tossing (somebody planted one), and then Read reports false. Only the first 16
// cookies of our name count.
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

// Stale tells whether a value signed then is due for renewal.
func (c *Codec) Stale(signed time.Time) bool { return time.Since(signed) > c.options.MaxAge/4 }

// Values returns the unverified values of the first 16 cookies of our name: for telling
// "none came" from "none verified".
func (c *Codec) Values(r *http.Request) []string {
	cookies := r.CookiesNamed(c.name)
	values := make([]string, min(len(cookies), maxCookies))
	for i := range values {
		values[i] = cookies[i].Value
	}
	return values
}

// Set is Sign and Put: it signs id as of now and puts the signed value into h. Set fails
// if Sign does, and then h is as it was.
func (c *Codec) Set(h http.Header, id string) (signed string, err error) {
	signed, err = c.Sign(ID, id)
	if err != nil {
		return "", err
	}
	c.Put(h, signed)
	return signed, nil
}

// Put puts a value that was signed for the purpose ID into h, the header of a response
// that is not yet written, as a Set-Cookie that replaces an earlier one of ours. It also
// keeps shared caches from storing the response, unless h has a Cache-Control already.
func (c *Codec) Put(h http.Header, signed string) {
	c.put(h, signed, int(c.options.MaxAge/time.Second))
}

// Withdraw removes our Set-Cookie from h, the header of a response that is not yet
// written. Other cookies stay, and so does Cache-Control.
func (c *Codec) Withdraw(h http.Header) {
	lines := slices.DeleteFunc(h["Set-Cookie"], func(line string) bool { return strings.HasPrefix(line, c.name+"=") })
	if len(lines) == 0 {
		delete(h, "Set-Cookie")
		return
	}
	h["Set-Cookie"] = lines
}

// Expire puts into h, the header of a response that is not yet written, a
// Set-Cookie that deletes our cookie in the browser. It replaces an earlier one of
// ours and treats Cache-Control as Put does. A copy of the signed value remains
// good: Expire revokes nothing.
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
