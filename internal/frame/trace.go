package frame

// AppendTrace appends the line with the trace context of the block that follows. It
// appends nothing unless trace is one (see IsTrace).
func AppendTrace(dst []byte, trace string) []byte {
	if !IsTrace(trace) {
		return dst
	}
	return append(append(append(dst, "trace: "...), trace...), '\n')
}

// traceLength is the length of a traceparent of version 00.
const traceLength = 55

// IsTrace reports whether s is a traceparent of version 00 (W3C Trace Context, section
// 3.2): "00-", 32 and 16 and 2 hexadecimal digits in lower case, of which the first two
// groups are not only zeros.
func IsTrace(s string) bool {
	if len(s) != traceLength || s[:3] != "00-" || s[35] != '-' || s[52] != '-' {
		return false
	}
	return isHexID(s[3:35]) && isHexID(s[36:52]) && isHex(s[53:])
}

func isHexID(s string) bool {
	zero := true
	for i := range len(s) {
		zero = zero && s[i] == '0'
	}
	return !zero && isHex(s)
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
