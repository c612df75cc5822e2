// Package cookie signs the mirage id and everything else that Mirage hands to a browser
// to get it back, and keeps the id in a cookie.
//
// A signed value is text of [A-Za-z0-9_-], at most MaxValue bytes, made by
// gorilla/securecookie (NopEncoder, HMAC-SHA256, no encryption: an id is an address, the
// signature is what admits). Its purpose and the time of signing are inside the
// signature, so a link token can never pass for an id. Values are not canonical: never
// use one as a key or a nonce, use what Verify returns.
//
// # Keys
//
// The first key signs, all verify. To change keys without throwing anybody out, deploy
// three times: (old, new), then (new, old), and after MaxAge (new). Use other keys for
// each environment: the signature binds neither host nor environment. A key comes from
// crypto/rand, not from a person:
//
//	head -c 32 /dev/urandom | base64
package cookie
