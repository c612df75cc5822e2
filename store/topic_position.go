package store

import (
	"errors"
	"hash/fnv"
	"strconv"
	"strings"
)

// A TopicPosition names a place in a topic: after the message Seq of the topic's epoch.
// Its text is one component of an SSE event id: "_", five characters for the topic's
// name, five for the epoch, "-", and Seq. It has at most 28 bytes of [a-z0-9_-].
//
// The name is shortened to a hash, and an epoch is a random number below 36⁵. So a
// position is taken for one of another epoch's with a probability of 1 in 60 million.
type TopicPosition struct {
	Topic uint32 // TopicHash of the name
	Epoch uint32 // of the topic; never 0 in a position that a topic gave out, and below TopicEpochs
	Seq   uint64 // the last message before the place; 0 before the first
}

// TopicEpochs is the bound of a topic's epoch, and of a name's hash: 36⁵.
const TopicEpochs = 36 * 36 * 36 * 36 * 36

var errTopicPosition = errors.New("session: not a position of a topic")

// TopicHash returns the hash of a topic's name in its positions.
func TopicHash(name string) uint32 {
	h := fnv.New64a()
	h.Write([]byte(name)) // never fails
	return uint32(h.Sum64() % TopicEpochs)
}

// AppendText appends the position's text. The error is always nil.
func (p TopicPosition) AppendText(b []byte) ([]byte, error) {
	b = append(b, '_')
	b = appendFive(b, p.Topic)
	b = appendFive(b, p.Epoch)
	b = append(b, '-')
	return strconv.AppendUint(b, p.Seq, 10), nil
}

// appendFive appends n, below 36⁵, in five digits.
func appendFive(b []byte, n uint32) []byte {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyz"
	var text [5]byte
	for i := len(text) - 1; i >= 0; i-- {
		text[i] = digits[n%36]
		n /= 36
	}
	return append(b, text[:]...)
}

// MarshalText returns the position's text, for JSON and templates. The error is always
// nil.
func (p TopicPosition) MarshalText() ([]byte, error) { return p.AppendText(nil) }

// String returns the position's text.
func (p TopicPosition) String() string {
	b, _ := p.AppendText(make([]byte, 0, 28)) // the error is always nil
	return string(b)
}

// ParseTopicPosition reads a position's text. It accepts exactly what AppendText writes.
func ParseTopicPosition(s string) (TopicPosition, error) {
	var p TopicPosition
	if len(s) < len("_tttttEEEEE-0") || s[0] != '_' || s[11] != '-' {
		return p, errTopicPosition
	}
	topic, err := parseFive(s[1:6])
	if err != nil {
		return p, err
	}
	epoch, err := parseFive(s[6:11])
	if err != nil || epoch == 0 {
		return p, errTopicPosition
	}
	seq, err := parseUint(s[12:], 10, 53)
	if err != nil {
		return p, errTopicPosition
	}
	return TopicPosition{Topic: topic, Epoch: epoch, Seq: seq}, nil
}

func parseFive(s string) (uint32, error) {
	n := uint32(0)
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			n = n*36 + uint32(c-'0')
		case c >= 'a' && c <= 'z':
			n = n*36 + uint32(c-'a') + 10
		default:
			return 0, errTopicPosition
		}
	}
	return n, nil
}

// UnmarshalText is ParseTopicPosition.
func (p *TopicPosition) UnmarshalText(b []byte) (err error) {
	*p, err = ParseTopicPosition(string(b))
	return err
}

// MaxPositions is the longest text of a client's positions, in bytes.
const MaxPositions = 2 << 10

// SplitPositions splits the text of a client's positions into that of its session, which
// may be empty, and those of its topics. Components that are no positions are left out.
func SplitPositions(text string) (session string, topics []TopicPosition) {
	session, rest, found := strings.Cut(text, "_")
	for found {
		var one string
		one, rest, found = strings.Cut(rest, "_")
		if p, err := ParseTopicPosition("_" + one); err == nil {
			topics = append(topics, p)
		}
	}
	return session, topics
}
