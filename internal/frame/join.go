package frame

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Join is the data of EventJoin: the topics that the client asks to join. It may ask
// again for a topic that the link has joined.
type Join struct {
	Topics []JoinTopic `json:"topics"`
}

// A JoinTopic is one topic of a Join.
type JoinTopic struct {
	Topic string          `json:"topic"`
	From  string          `json:"from"` // "now", "start" or a position's text; "" is "now"
	Info  json.RawMessage `json:"info"` // for the other members; nil for none
}

// Leave is the data of EventLeave: the topics that the client leaves.
type Leave struct {
	Topics []string `json:"topics"`
}

// ParseJoin parses the data of EventJoin. It checks neither the names nor the positions,
// because each topic of a Join is refused on its own. Each Info is valid JSON in UTF-8,
// and does not share memory with data. The error is ErrTooLarge if data is longer than
// MaxControl.
func ParseJoin(data []byte) (Join, error) {
	var j Join
	if err := parseControl(data, &j); err != nil {
		return Join{}, err
	}
	for i := range j.Topics {
		j.Topics[i].Info = infoOf(j.Topics[i].Info)
	}
	return j, nil
}

// ParseLeave parses the data of EventLeave. The error is ErrTooLarge if data is longer
// than MaxControl.
func ParseLeave(data []byte) (Leave, error) {
	var l Leave
	if err := parseControl(data, &l); err != nil {
		return Leave{}, err
	}
	return l, nil
}

// AppendJoin appends the block in which a client asks to join topics. It does not bound
// the data: a Join of more than MaxControl bytes must be divided.
func AppendJoin(dst []byte, j *Join) []byte {
	dst = append(appendControl(dst, EventJoin), `{"topics":[`...)
	for i := range j.Topics {
		t := &j.Topics[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(append(dst, `{"topic":`...), t.Topic)
		if t.From != "" {
			dst = appendString(append(dst, `,"from":`...), t.From)
		}
		if t.Info != nil {
			dst = appendInfo(append(dst, `,"info":`...), t.Info)
		}
		dst = append(dst, '}')
	}
	return append(dst, "]}\n\n"...)
}

// AppendLeave appends the block in which a client leaves topics. It does not bound the
// data: a Leave of more than MaxControl bytes must be divided.
func AppendLeave(dst []byte, l *Leave) []byte {
	dst = appendStrings(append(appendControl(dst, EventLeave), `{"topics":`...), l.Topics)
	return append(dst, "}\n\n"...)
}

// parseControl is json.Unmarshal for data from a client. encoding/json accepts invalid
// UTF-8 in a RawMessage, so that is replaced before.
func parseControl(data []byte, v any) error {
	if len(data) > MaxControl {
		return ErrTooLarge
	}
	if !utf8.Valid(data) {
		data = bytes.ToValidUTF8(data, []byte("\uFFFD"))
	}
	return json.Unmarshal(data, v)
}

// infoOf returns the info of parsed JSON, in which null is the same as leaving it out.
func infoOf(parsed json.RawMessage) json.RawMessage {
	if string(parsed) == "null" {
		return nil
	}
	return parsed
}
