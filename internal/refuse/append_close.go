package refuse

import (
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf8"
)

// maxReason is the maximum length of a reason in bytes: a control frame has at most 125,
// of which two are the code (RFC 6455, 5.5).
const maxReason = 123

// AppendClose appends a server's close frame (RFC 6455, 5.5.1). A reason that is too long
// is cut between characters. A code of 0 means a frame without code and reason.
func AppendClose(b []byte, code int, reason string) []byte {
	if code == 0 {
		return append(b, 0x88, 0)
	}
	reason = cut(reason, maxReason)
	b = append(b, 0x88, byte(2+len(reason)))
	b = binary.BigEndian.AppendUint16(b, uint16(code))
	return append(b, reason...)
}

// withRetry appends the retry time to the reason of a close frame, because a page cannot
// see the Retry-After header of a handshake. A long reason is cut to make room.
func withRetry(reason string, after time.Duration) string {
	if after <= 0 {
		return reason
	}
	suffix := "; retry in " + seconds(after) + " s"
	return cut(reason, maxReason-len(suffix)) + suffix
}

// cut truncates a reason to at most n bytes, between characters.
func cut(reason string, n int) string {
	reason = strings.ToValidUTF8(reason, "\uFFFD")
	if len(reason) <= n {
		return reason
	}
	for !utf8.RuneStart(reason[n]) {
		n--
	}
	return reason[:n]
}
