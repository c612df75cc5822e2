package refuse

import (
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf8"
)

// maxReason is in bytes: a control frame has 125, and two are the code (RFC 6455, 5.5).
const maxReason = 123

// AppendClose appends a server's close frame (RFC 6455, 5.5.1) with as much of the reason
// as fits, cut between characters. A code of 0 means a frame without code and reason.
func AppendClose(b []byte, code int, reason string) []byte {
	if code == 0 {
		return append(b, 0x88, 0)
	}
	reason = cut(reason, maxReason)
	b = append(b, 0x88, byte(2+len(reason)))
	b = binary.BigEndian.AppendUint16(b, uint16(code))
	return append(b, reason...)
}

// withRetry appends to the reason of a close frame when to come back, where Retry-After
// is of no use: a page sees no header of a handshake. A long reason is cut for it.
func withRetry(reason string, after time.Duration) string {
	if after <= 0 {
		return reason
	}
	suffix := "; retry in " + seconds(after) + " s"
	return cut(reason, maxReason-len(suffix)) + suffix
}

// cut returns at most n bytes of a reason, cut between characters.
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
