package hostile_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/transport"
	"github.com/mirage-go/mirage/transport/poll"
)

// A malformed row is a request and exactly what comes back. The detail of our refusals
// says what to do. Refusals by net/http or chi, before us, have their own texts.
type malformed struct {
	name   string
	send   string
	status int
	says   string // part of the body; in our refusals, part of the detail
	theirs bool   // the refusal is net/http's or chi's
}

// W6, I1, I2, I7, I9: each malformed request gets exactly the expected response. Nothing
// of it is handled, and other clients do not notice.
func TestW6Malformed(t *testing.T) {
	var s *site
	s = newSite(t, setup{
		transport: transport.Options{Poll: poll.Options{Pause: time.Minute}},
		routes: func(r chi.Router, mw func(http.Handler) http.Handler) {
			r.With(mw).Post("/login", func(w http.ResponseWriter, r *http.Request) {
				_, err := middleware.Rotate(w, r)
				s.must(err)
			})
		},
	})
	vera, mallory := s.visitor("vera", client.SSE), s.probe("mallory")
	s.must(mallory.poll(t.Context()))
	vera.fine("before")

	rows := slicesOf(identityRows(s, mallory, vera),
		originRows(mallory), queryRows(mallory), bodyRows(mallory), framingRows(mallory))
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, sessions := s.others("vera")
			a, err := s.exchange(row.send)
			if err != nil || a.status != row.status {
				t.Fatalf("%d %.300s %v; want %d", a.status, a.body, err, row.status)
			}

			text := a.body
			if a.status >= 400 && !row.theirs {
				if text = a.detail(); text == "" {
					t.Errorf("not a problem: %v %q", a.header, a.body)
				}
				if a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff" {
					t.Errorf("headers of a refusal: %v", a.header)
				}
			}

			if !strings.Contains(text, row.says) {
				t.Errorf("the body %q does not say %q", a.body, row.says)
			}
			if strings.Contains(a.body, payload) {
				t.Errorf("the body says what was sent: %q", a.body)
			}

			handled, after := s.others("vera")
			if handled > 0 || a.status >= 400 && after > sessions {
				t.Fatalf("%d messages were handled, %d sessions made", handled, after-sessions)
			}
			vera.fine(row.name)
		})
	}

	if err := mallory.post(t.Context(), "fine"); err != nil {
		t.Errorf("mallory herself, when she behaves: %v", err)
	}
}

func slicesOf(groups ...[]malformed) (all []malformed) {
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

// up returns a batch of mallory's with this head, and messages as blocks.
func up(head string, blocks ...string) string {
	return "event: mirage-up\ndata: " + head + "\n\n" + strings.Join(blocks, "")
}

func (p *probe) head(more string) string {
	return fmt.Sprintf(`{"writer":%q,"base":1%s}`, p.cid, more)
}

// batch returns a POST on mallory's own link.
func (p *probe) batch(body string, header ...string) string {
	return request("POST", "/live", body, append(header, withCookie(p.sig), withLink(p.token), isText)...)
}

func identityRows(s *site, mallory *probe, vera *visitor) []malformed {
	cookie10 := withCookie("bad") + strings.Repeat("; __Host-mirage=bad", 8)
	tossing := withCookie(mallory.sig) + strings.Repeat("; __Host-mirage="+vera.sig, 9)
	cookie3001 := withCookie(mallory.sig) + strings.Repeat("; a=b", 3000)
	one := up(mallory.head(""), "id: 1\ndata: "+payload+"\n\n")

	linkAsID, err := s.codec.Sign(cookie.Link, "vera 1 zzzzzzzz x")
	s.must(err)

	// One client whose id has changed, and one whose id was revoked.
	old := s.probe("rotated")
	s.must(old.poll(s.Context()))
	rotated, err := s.exchange(request("POST", "/login", "", withCookie(old.sig), accept))
	s.must(err)
	fresh, _, _ := strings.Cut(strings.TrimPrefix(rotated.header.Get("Set-Cookie"), "__Host-mirage="), ";")
	s.secret(fresh)
	barred := s.probe("revoked")
	s.must(barred.poll(s.Context()))
	s.must(s.m.Revoke(s.Context(), "revoked"))

	return []malformed{
		{name: "ten cookies, one good", status: 200, says: `"id":"mallory"`,
			send: request("GET", "/live", "", accept, cookie10+"; __Host-mirage="+mallory.sig)},
		{name: "ten cookies of two ids", status: 401, says: "open a new link",
			send: request("POST", "/live", one, tossing, withLink(mallory.token), isText)},
		{name: "3 001 cookies", status: 401, says: "open a new link",
			send: request("POST", "/live", one, cookie3001, withLink(mallory.token), isText)},
		{name: "two ids", status: 200, says: `"id":"mallory"`,
			send: request("GET", "/live?_mirage=~"+mallory.sig, "", accept, withCookie(vera.sig))},
		{name: "two ids in the query", status: 200, says: `"resumed":false`,
			send: request("GET", "/live?_mirage=~"+mallory.sig+"&_mirage=~"+vera.sig, "", accept)},
		{name: "unsigned id", status: 401, says: "open a new one",
			send: request("POST", "/live?_mirage=vera", payload)},
		{name: "a link token as id", status: 401, says: "open a new one",
			send: request("POST", "/live?_mirage=~"+linkAsID, payload)},
		{name: "an id as link token", status: 401, says: "open a new link",
			send: request("POST", "/live", one, withCookie(mallory.sig), withLink(mallory.sig), isText)},
		{name: "token without id", status: 401, says: "open a new link",
			send: request("POST", "/live", one, withLink(mallory.token), isText)},
		{name: "token twice", status: 401, says: "open a new link",
			send: mallory.batch(one, withLink(mallory.token))},
		{name: "token of vera's session", status: 401, says: "open a new link",
			send: request("POST", "/live", one, withCookie(mallory.sig), withLink(vera.token()), isText)},
		{name: "DELETE with vera's token", status: 401, says: "open a new link",
			send: request("DELETE", "/live", "", withCookie(mallory.sig), withLink(vera.token()))},
		{name: "poll with vera's token", status: 200, says: `"id":"mallory"`,
			send: request("GET", "/live?_wait=1", "", accept, withCookie(mallory.sig), withLink(vera.token()))},
		{name: "DELETE without token", status: 401, says: "open a new link",
			send: request("DELETE", "/live", "", withCookie(mallory.sig))},
		{name: "token that is not UTF-8", status: 401, says: "open a new link",
			send: request("POST", "/live", one, withCookie(mallory.sig), withLink("\xff\xfe"), isText)},
		{name: "after Rotate, all old", status: 401, says: "open a new one",
			send: request("POST", "/live", one, withCookie(old.sig), withLink(old.token), isText)},
		{name: "after Rotate, the old cookie on a new link", status: 503, says: "come back soon",
			send: request("GET", "/live?_cid="+old.cid, "", accept, withCookie(old.sig))},
		{name: "after Rotate, the old token beside the new cookie", status: 401, says: "open a new link",
			send: request("POST", "/live", one, withCookie(fresh), withLink(old.token), isText)},
		{name: "after Revoke, token and cookie", status: 401, says: "new",
			send: request("POST", "/live", one, withCookie(barred.sig), withLink(barred.token), isText)},
		{name: "after Revoke, a poll of the link", status: 401, says: "new",
			send: request("GET", "/live?_wait=1&_cid="+barred.cid, "", accept,
				withCookie(barred.sig), withLink(barred.token))},
		{name: "after Revoke, a new link", status: 410, says: "revoked",
			send: request("GET", "/live?_cid="+barred.cid, "", accept, withCookie(barred.sig))},
		{name: "after Revoke, an EventSource", status: 410, says: "revoked",
			send: request("GET", "/live", "", accept, withCookie(barred.sig))},
		{name: "after Revoke, a message", status: 410, says: "revoked",
			send: request("POST", "/live", payload, withCookie(barred.sig))},
	}
}

func originRows(mallory *probe) []malformed {
	foreign := func(name string, header ...string) malformed {
		send := request("POST", "/live", payload, append(header, withCookie(mallory.sig))...)
		return malformed{name: name, send: send, status: 403, says: "origin"}
	}
	load := func(name string, header ...string) malformed {
		send := request("GET", "/live", "", append(header, withCookie(mallory.sig))...)
		return malformed{name: name, send: send, status: 403, says: "EventSource"}
	}
	handshake := []string{
		"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}

	return []malformed{
		foreign("a sandboxed frame", "Origin: null"),
		foreign("our page, downgraded", "Origin: http://"+host),
		foreign("our name, another port", "Origin: https://"+host+":8443"),
		foreign("our name with more before it", "Origin: https://evil-"+host),
		foreign("our name with more behind it", "Origin: https://"+host+".evil.example"),
		foreign("our name as user", "Origin: https://"+host+"@evil.example"),
		foreign("our name with a user", "Origin: https://user@"+host),
		foreign("our name with a path", "Origin: https://"+host+"/"),
		foreign("our name in another scheme", "Origin: ftp://"+host),
		foreign("our name without a scheme", "Origin: "+host),
		foreign("no origin at all", "Origin: "),
		foreign("two origins", "Origin: https://"+host, "Origin: https://evil.example"),
		foreign("two origins in one", "Origin: https://"+host+" https://evil.example"),
		foreign("cross-site", "Sec-Fetch-Site: cross-site"),
		foreign("same-site", "Sec-Fetch-Site: same-site", "Origin: https://sister.example"),
		foreign("cross-site that claims our origin", "Sec-Fetch-Site: cross-site", "Origin: https://"+host),
		foreign("cross-site and same-origin", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"),
		foreign("cross-site, same-origin in one", "Sec-Fetch-Site: same-origin, cross-site"),
		foreign("same-origin in capitals", "Sec-Fetch-Site: Same-Origin"),
		foreign("nothing in Sec-Fetch-Site", "Sec-Fetch-Site: "),
		foreign("a form that navigates",
			"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"),
		foreign("a rebound name", "Host: evil.example:8080", "Origin: http://evil.example:8080"),
		foreign("a beacon",
			"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Content-Type: text/plain;charset=UTF-8"),
		load("an image", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: image"),
		load("a frame", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: iframe", accept),
		load("a link that was followed",
			"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"),
		load("two destinations",
			"Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: empty", "Sec-Fetch-Dest: image", accept),
		load("a prefetch", "Sec-Fetch-Site: same-origin", "Sec-Purpose: prefetch;prerender", accept),
		load("nothing says who asks", "Accept: image/png"),

		{name: "a foreign WebSocket", status: 403,
			send: request("GET", "/live", "",
				append(handshake, "Origin: https://evil.example", withCookie(mallory.sig))...)},
		{name: "a WebSocket of no key", status: 403, says: "WebSocket",
			send: request("GET", "/live", "", append(handshake[:3:3], withCookie(mallory.sig))...)},
		{name: "a WebSocket of two keys", status: 426, says: "RFC 6455",
			send: request("GET", "/live", "", append(handshake, handshake[3], withCookie(mallory.sig))...)},
		{name: "a WebSocket of a long key", status: 426, says: "RFC 6455",
			send: request("GET", "/live", "",
				append(handshake[:3:3], "Sec-WebSocket-Key: "+strings.Repeat("A", 8<<10), withCookie(mallory.sig))...)},
		{name: "a WebSocket of another version", status: 426, says: "RFC 6455",
			send: request("GET", "/live", "",
				append(handshake[:2:2], "Sec-WebSocket-Version: 8", handshake[3], withCookie(mallory.sig))...)},
		{name: "a WebSocket by POST", status: 400, says: "docs/protocol.md",
			send: request("POST", "/live", "",
				append(handshake, withCookie(mallory.sig), withLink(mallory.token), isText)...)},
		{name: "a foreign GET", status: 403, says: "origin",
			send: request("GET", "/live", "", accept, "Origin: https://evil.example", withCookie(mallory.sig))},
		{name: "a foreign poll", status: 403, says: "origin",
			send: request("GET", "/live?_wait=25", "", accept, "Origin: null",
				withCookie(mallory.sig), withLink(mallory.token))},
		{name: "a foreign DELETE", status: 403, says: "origin",
			send: request("DELETE", "/live", "", "Origin: null", withCookie(mallory.sig), withLink(mallory.token))},
		{name: "a preflight", status: 204,
			send: request("OPTIONS", "/live", "", "Origin: https://evil.example",
				"Access-Control-Request-Method: POST")},
	}
}

func queryRows(mallory *probe) []malformed {
	long := strings.Repeat(payload, 60<<10/len(payload))
	me := withCookie(mallory.sig)
	get := func(query string, header ...string) string {
		return request("GET", "/live?"+query, "", append(header, accept, me)...)
	}
	hello := func(name, query, says string, header ...string) malformed {
		return malformed{name: name, send: get(query, header...), status: 200, says: says}
	}
	wait := func(value string) malformed {
		name := "_wait=" + value[:min(len(value), 12)]
		send := get("_cid=" + mallory.cid + "&_wait=" + value)
		return malformed{name: name, send: send, status: 400, says: "_wait must be a number"}
	}

	return []malformed{
		hello("_cid of 60 KB", "_cid="+long, `"reader":"plain-`),
		hello("_cid that can be guessed", "_cid=me", `"reader":"plain-`),
		hello("_cid that is not UTF-8", "_cid=%ff%fe%ff%fe%ff%fe%ff%fe%ff%fe%ff%fe%ff%fe%ff%fe", `"reader":"plain-`),
		hello("_cid with line breaks", "_cid=0123456789012345678901%0d%0adata:+x", `"reader":"plain-`),
		hello("two _cid", "_cid="+mallory.cid+"&_cid=0123456789012345678901", `"reader":"plain-`),
		hello("_pos of 60 KB", "_pos="+long, `"reason":"malformed"`),
		hello("_pos that is not UTF-8", "_pos=%ff-%ff", `"reason":"malformed"`),
		hello("_pos that is not escaped", "_pos=%zz", `"reason":"malformed"`),
		hello("_pos of another life", "_pos=1-1", `"reason":"restarted"`),
		hello("_pos negative", "_pos="+positionOf(mallory, "-1"), `"reason":"malformed"`),
		hello("_pos of 2^53", "_pos="+positionOf(mallory, "9007199254740992"), `"reason":"malformed"`),
		hello("_pos NaN", "_pos="+positionOf(mallory, "NaN"), `"reason":"malformed"`),
		hello("_pos ahead", "_pos="+positionOf(mallory, "9007199254740991"), `"reason":"ahead"`),
		hello("Last-Event-ID of 4 KB", "", `"reason":"malformed"`, "Last-Event-ID: "+long[:4<<10]),
		hello("Last-Event-ID that is not UTF-8", "", `"reason":"malformed"`, "Last-Event-ID: \xff\xfe"),
		hello("a query of nothing", strings.Repeat("&", 10<<10), `"id":"mallory"`),
		hello("ten thousand parameters", strings.Repeat("a=b&", 10_000), `"id":"mallory"`),
		hello("semicolons", "_cid="+mallory.cid+";_pos=1-1", `"reader":"plain-`),
		wait("-1"), wait("1e3"), wait("NaN"), wait("0x10"), wait("99999999999999999999"), wait("65536"),
		wait("%ff"), wait(""), wait(strings.Repeat("9", 60<<10)),
	}
}

// positionOf returns mallory's position with another number.
func positionOf(p *probe, seq string) string {
	return p.epoch + "-" + seq
}

func bodyRows(mallory *probe) []malformed {
	bad := func(name, body string) malformed {
		return malformed{name: name, send: mallory.batch(body), status: 400, says: "see docs/protocol.md"}
	}
	one := "id: 1\ndata: " + payload + "\n\n"
	ack := func(ack string) string { return up(mallory.head(`,"ack":`+ack), one) }
	base := func(base string) string { return up(fmt.Sprintf(`{"writer":%q,"base":%s}`, mallory.cid, base), one) }
	var many strings.Builder
	for i := range 101 {
		fmt.Fprintf(&many, "id: %d\ndata: %s\n\n", i+1, payload)
	}

	return []malformed{
		{name: "ack ahead", status: 400, says: "beyond what was ever sent",
			send: mallory.batch(ack(`"` + positionOf(mallory, "1") + `"`))},
		bad("ack negative", ack(`"`+positionOf(mallory, "-1")+`"`)),
		bad("ack of 2^53", ack(`"`+positionOf(mallory, "9007199254740992")+`"`)),
		bad("ack NaN", ack("NaN")),
		bad("ack that is a number", ack("1")),
		bad("ack of 60 KB", ack(`"`+strings.Repeat("z", 60<<10)+`"`)),
		bad("base 0", base("0")),
		bad("base -1", base("-1")),
		bad("base NaN", base("NaN")),
		bad("base 1.5", base("1.5")),
		bad("base 1e400", base("1e400")),
		bad("base of 2^53", base("9007199254740992")),
		bad("base beyond the message", base("2")),
		bad("JSON 10 001 deep", up(mallory.head(`,"x":`+strings.Repeat("[", 10_001)+strings.Repeat("]", 10_001)), one)),
		bad("JSON that is an array", up("["+mallory.head("")+"]", one)),
		bad("two JSON values", up(mallory.head("")+mallory.head(""), one)),
		bad("writer that is not UTF-8", up("{\"writer\":\"\xff\xfe01234567890123456789\",\"base\":1}", one)),
		bad("writer of 60 KB", up(`{"writer":"`+strings.Repeat("w", 60<<10)+`","base":1}`, one)),
		bad("a number of 2^64", up(mallory.head(""), "id: 18446744073709551616\ndata: "+payload+"\n\n")),
		bad("a number of 60 KB", up(mallory.head(""), "id: "+strings.Repeat("1", 60<<10)+"\ndata: x\n\n")),
		bad("a number with a sign", up(mallory.head(""), "id: +1\ndata: x\n\n")),
		bad("the same number twice", up(mallory.head(""), one, one)),
		bad("a second head", up(mallory.head(""), up(mallory.head(""), one))),
		bad("an event of ours", up(mallory.head(""), "id: 1\nevent: mirage\ndata: x\n\n")),
		bad("an event of the browser", up(mallory.head(""), "id: 1\nevent: error\ndata: x\n\n")),
		bad("an event that is not UTF-8", up(mallory.head(""), "id: 1\nevent: \xff\xfe\ndata: x\n\n")),
		bad("an event of 60 KB", up(mallory.head(""), "id: 1\nevent: "+strings.Repeat("e", 60<<10)+"\ndata: x\n\n")),

		{name: "an encoding that is none", status: 400, says: "encoding",
			send: mallory.batch(up(mallory.head(""), "id: 1\nencoding: rot13\ndata: x\n\n"))},
		{name: "base64 that is none", status: 400, says: "encoding",
			send: mallory.batch(up(mallory.head(""), "id: 1\nencoding: base64\ndata: "+payload+"!\n\n"))},
		{name: "no data", status: 400, says: "no data line",
			send: mallory.batch(up(mallory.head(""), "id: 1\n\n", one))},
		{name: "numbers that jump", status: 409, says: "expected number",
			send: mallory.batch(up(mallory.head(""), "id: 5\ndata: "+payload+"\n\n"))},
		{name: "101 messages", status: 413, says: "send fewer",
			send: mallory.batch(up(mallory.head(""), many.String()))},
		{name: "a batch of 100 KB", status: 413, says: "send fewer",
			send: mallory.batch(up(mallory.head(""), "id: 1\ndata: "+strings.Repeat("x", 100<<10)+"\n\n"))},
		{name: "a message of 65 KB", status: 413, says: "larger",
			send: mallory.batch(up(mallory.head(""), "id: 1\ndata: "+strings.Repeat("x", 65<<10)+"\n\n"))},
		{name: "gzip", status: 415, says: "without Content-Encoding",
			send: mallory.batch("\x1f\x8b\x08", "Content-Encoding: gzip")},
		{name: "identity, they say", status: 415, says: "without Content-Encoding",
			send: mallory.batch(up(mallory.head(""), one), "Content-Encoding: identity")},
		{name: "a batch without token", status: 401, says: "Mirage-Link",
			send: request("POST", "/live", up(mallory.head(""), one), withCookie(mallory.sig), isText)},
		{name: "a message of a stranger", send: request("POST", "/live", payload), status: 401, says: "open a new one"},
	}
}

func framingRows(mallory *probe) []malformed {
	me := withCookie(mallory.sig)
	post := func(body string, header ...string) string {
		return request("POST", "/live", body, append(header, me)...)
	}
	method := func(method string, status int, says string) malformed {
		return malformed{name: method, send: request(method, "/live", "", me), status: status, says: says}
	}

	return []malformed{
		method("HEAD", 200, ""),
		method("OPTIONS", 204, ""),
		method("TRACE", 405, "GET, POST, DELETE"),
		method("CONNECT", 405, "GET, POST, DELETE"),
		method("PUT", 405, "GET, POST, DELETE"),
		method("PATCH", 405, "GET, POST, DELETE"),
		{name: "BREW", send: request("BREW", "/live", "", me), status: 405, theirs: true},
		{name: "get", send: request("get", "/live", "", me, accept), status: 405, theirs: true},

		{name: "chunks that break off", status: 400, says: "did not come whole",
			send: post("5\r\n"+payload+halfClosed, "Transfer-Encoding: chunked")},
		{name: "chunks that are none", status: 400, says: "did not come whole",
			send: post("zz\r\n", "Transfer-Encoding: chunked")},
		{name: "a body that breaks off", status: 400, says: "did not come whole",
			send: post(payload+halfClosed, "Content-Length: 1000")},
		{name: "chunks of 100 KB", status: 413, says: "send fewer",
			send: post("19000\r\n"+strings.Repeat("x", 0x19000)+"\r\n0\r\n\r\n", "Transfer-Encoding: chunked")},
		{name: "100-continue for too much", status: 413, says: "send fewer",
			send: post("", "Content-Length: 10000000", "Expect: 100-continue")},

		{name: "two lengths", send: post(payload, "Content-Length: 7", "Content-Length: 8"), status: 400, theirs: true},
		{name: "a negative length", send: post(payload, "Content-Length: -1"), status: 400, theirs: true},
		{name: "gzip chunks", send: post(payload, "Transfer-Encoding: gzip, chunked"), status: 501, theirs: true},
		{name: "no host", send: "GET /live HTTP/1.1\r\n\r\n", status: 400, theirs: true},
		{name: "two hosts", status: 400, theirs: true,
			send: request("GET", "/live", "", "Host: "+host, "Host: evil.example", me, accept)},
		{name: "a host with a path", status: 400, theirs: true,
			send: request("GET", "/live", "", "Host: evil/"+host, me, accept)},
		{name: "NUL in a header", send: request("GET", "/live", "", "X: \x00", me, accept), status: 400, theirs: true},
		{name: "no HTTP", status: 400, theirs: true,
			send: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 " + payload + "\r\n\r\n"},
		{name: "HTTP/3.0", send: "GET /live HTTP/3.0\r\nHost: " + host + "\r\n\r\n", status: 505, theirs: true},
	}
}
