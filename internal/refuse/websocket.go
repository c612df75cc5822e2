package refuse

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"time"

	"github.com/mirage-go/mirage/internal/response"
)

const (
	closeWait = time.Second // for the client's close frame
	maxUnread = 256 << 10   // bytes to read before the client's close frame
)

// IsHandshake reports whether r is a WebSocket handshake that we can accept (RFC 6455,
// 4.2.1).
func IsHandshake(r *http.Request) bool {
	keys := r.Header["Sec-Websocket-Key"]
	if len(keys) != 1 {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(keys[0])
	return r.Method == http.MethodGet && r.ProtoMajor == 1 && r.ProtoAtLeast(1, 1) && err == nil && len(key) == 16 &&
		r.Header.Get("Sec-WebSocket-Version") == "13" &&
		hasToken(r.Header["Connection"], "upgrade") && WantsWebSocket(r)
}

// WantsWebSocket reports whether r asks for a WebSocket, in a valid handshake or not.
// Upgrade is a list (RFC 9110, 7.8).
func WantsWebSocket(r *http.Request) bool { return hasToken(r.Header["Upgrade"], "websocket") }

// NotUpgraded prepares the header h of a response other than 101. If r asks for a
// WebSocket, in a valid handshake or not, it makes the connection end with the response.
// The client may already send frames, which net/http would read as the head of the next
// request, and buffer until a line ends, up to a megabyte for each connection. HTTP/2 has
// no such upgrade, and "Connection: close" would end all streams of the connection.
func NotUpgraded(h http.Header, r *http.Request) {
	if r.ProtoMajor == 1 && WantsWebSocket(r) {
		h.Set("Connection", "close")
	}
}

func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for t := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// closeWebSocket accepts the handshake and closes with 4000+status and reason. It returns
// false, and has written nothing, if w has no connection to hijack.
func closeWebSocket(w http.ResponseWriter, r *http.Request, status int, reason string) bool {
	if !response.CanHijack(w, r) {
		return false
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(closeWait))
	if _, err := conn.Write(AppendClose(appendAccept(nil, r), 4000+status, reason)); err != nil {
		return true
	}
	awaitClose(buffered.Reader)
	return true
}

// awaitClose reads up to and including the client's close frame. Messages that the page
// sent at once may come before it. Closing a connection with unread bytes resets it, and
// the reset may overtake our reason. If the connection ends before a browser has
// answered, it reports that the close was not clean.
func awaitClose(r *bufio.Reader) {
	for left := maxUnread; left > 0; {
		head, err := r.Peek(2)
		if err != nil {
			return
		}

		n, last := 2+4+int(head[1]&0x7f), head[0]&0x0f == 8 // RFC 6455, 5.2: with a mask
		switch head[1] & 0x7f {
		case 126:
			if head, err = r.Peek(4); err == nil {
				n = 4 + 4 + int(binary.BigEndian.Uint16(head[2:]))
			}
		case 127:
			n = left
		}

		if _, err := r.Discard(min(n, left)); err != nil || last {
			return
		}
		left -= n
	}
}

// appendAccept appends the response head that accepts the handshake (RFC 6455, 4.2.2). It
// selects the first subprotocol that the page offers: if none is selected, Chromium fails
// the connection without our reason.
func appendAccept(b []byte, r *http.Request) []byte {
	accept := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: "...)
	b = base64.StdEncoding.AppendEncode(b, accept[:])
	first, _, _ := strings.Cut(r.Header.Get("Sec-WebSocket-Protocol"), ",")
	if first = strings.TrimSpace(first); first != "" {
		b = append(append(b, "\r\nSec-WebSocket-Protocol: "...), first...)
	}
	return append(b, "\r\n\r\n"...)
}
