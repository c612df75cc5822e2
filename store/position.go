package store

import (
	"errors"
	"strconv"
	"strings"
)

// MaxSeq is the highest number of a message in either direction: 2⁵³−1, the highest that
// a JavaScript number holds exactly.
const MaxSeq = 1<<53 - 1

// A Position names a place in one session's log: after the message Seq of the log's
// epoch. Its text is the SSE event id on every transport, at most 64 bytes of
// [A-Za-z0-9._-]: "epoch-seq", or "epoch-seq.tag" where a store tags its entries.
type Position struct {
	Epoch uint64 // of the log; never 0 in a position that a log gave out
	Seq   uint64 // the last message before the place; 0 before the first
	Tag   uint32 // tells two histories of one epoch apart; 0 where the store needs none
}

var errPosition = errors.New("session: not a position")

// AppendText appends the position's text. The error is always nil.
func (p Position) AppendText(b []byte) ([]byte, error) { return p.append(b), nil }

func (p Position) append(b []byte) []byte {
	b = appendBase36(b, p.Epoch)
	b = append(b, '-')
	b = strconv.AppendUint(b, p.Seq, 10)
	if p.Tag != 0 {
		b = append(b, '.')
		b = appendBase36(b, uint64(p.Tag))
	}
	return b
}

// appendBase36 is strconv.AppendUint for base 36 in a quarter of the time: it divides by
// a constant, and each message of each link has an epoch.
func appendBase36(b []byte, n uint64) []byte {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyz"
	var text [13]byte // 36¹³ > 2⁶⁴
	i := len(text)
	for ; n >= 36; n /= 36 {
		i--
		text[i] = digits[n%36]
	}
	i--
	text[i] = digits[n]
	return append(b, text[i:]...)
}

// String returns the position's text.
func (p Position) String() string { return string(p.append(make([]byte, 0, 48))) }

// ParsePosition reads a position's text. It accepts exactly what AppendText writes, so
// that two texts are equal if and only if their positions are.
func ParsePosition(s string) (Position, error) {
	var p Position
	epoch, rest, ok := strings.Cut(s, "-")
	if !ok {
		return Position{}, errPosition
	}

	seq, tag, tagged := strings.Cut(rest, ".")
	var err error
	if p.Epoch, err = parseUint(epoch, 36, 64); err != nil || p.Epoch == 0 {
		return Position{}, errPosition
	}
	if p.Seq, err = parseUint(seq, 10, 53); err != nil {
		return Position{}, errPosition
	}

	if tagged {
		t, err := parseUint(tag, 36, 32)
		if err != nil || t == 0 {
			return Position{}, errPosition
		}
		p.Tag = uint32(t)
	}
	return p, nil
}

// parseUint is strconv.ParseUint for canonical text alone: lower case, no sign, no
// leading zero.
func parseUint(s string, base, bits int) (uint64, error) {
	if s == "" || len(s) > 1 && s[0] == '0' || strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z')
	}) {
		return 0, errPosition
	}
	return strconv.ParseUint(s, base, bits)
}
