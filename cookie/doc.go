// Package cookie signs the mirage id and every other value that Mirage gives to a browser
// and expects back. It keeps the id in a cookie.
//
// A signed value is text of [A-Za-z0-9_-], at most MaxValue bytes long.
// gorilla/securecookie creates it with NopEncoder and HMAC-SHA256. It is not encrypted:
// an id is only an address, and the signature is what grants access. The signature covers
// the purpose and the signing time, so a link token never verifies as an id. (A link
// token names a link, which is a connection of a client.) Values are not canonical: never
// use one as a key or a nonce. Use what Verify returns.
//
// # Keys
//
// The first key signs, all verify. To change keys without logging anybody out, deploy
// three times: (old, new), then (new, old), and after MaxAge (new). Use different keys
// for each environment: a signature is bound neither to a host nor to an environment.
// Generate keys at random, do not make them up:
//
//	head -c 32 /dev/urandom | base64
package cookie
