package cookie

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxCookies is how many cookies of our name are looked at. Browsers send one; more of them are an attempt to toss cookies or to make
// us compute.
const maxCookies = 16

// Read returns the id in the request's cookie and when it was signed. Values that do not verify count for nothing, so a forged cookie
// beside the right one does no harm; cookies with two different ids are tossing (somebody planted one), and then ok is false. renew
// tells that Set is due: a quarter of MaxAge is used, or another key than the first signed. Only the first 16 cookies of our name count.
func (c *Codec) Read(r *http.Request) (id string, signed time.Time, renew, ok bool) {
	for _, value := range c.Values(r) {
		payload, issued, key, err := c.verify(ID, value)
		switch {
		case err != nil:
			continue
		case ok && payload != id:
			return "", time.Time{}, false, false
		case ok && !issued.After(signed):
			continue
		}
		id, signed, ok = payload, issued, true
		renew = key > 0 || c.Stale(issued)
	}
	return id, signed, renew, ok
}

// Stale tells whether a value signed then is due for renewal.
func (c *Codec) Stale(signed time.Time) bool { return time.Since(signed) > c.options.MaxAge/4 }

// Values returns the unverified values of the first 16 cookies of our name: for telling "none came" from "none verified".
func (c *Codec) Values(r *http.Request) []string {
	cookies := r.CookiesNamed(c.name)
	values := make([]string, min(len(cookies), maxCookies))
	for i := range values {
		values[i] = cookies[i].Value
	}
	return values
}

// Set signs id and puts it into h, the header of a response that is not yet written, as a Set-Cookie that replaces an earlier one of
// ours. It also keeps shared caches from storing the response, unless a Cache-Control is there already. Set fails if Sign does, and then h is
// as it was.
func (c *Codec) Set(h http.Header, id string) (signed string, err error) {
	signed, err = c.Sign(ID, id)
	if err != nil {
		return "", err
	}
	cookie := http.Cookie{
		Name: c.name, Value: signed, Path: "/", MaxAge: int(c.options.MaxAge / time.Second),
		Secure: !c.options.Insecure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if c.options.Embedded {
		cookie.SameSite, cookie.Partitioned = http.SameSiteNoneMode, true
	}
	ours := func(line string) bool { return strings.HasPrefix(line, c.name+"=") }
	h["Set-Cookie"] = append(slices.DeleteFunc(h["Set-Cookie"], ours), cookie.String())
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "private")
	}
	return signed, nil
}
