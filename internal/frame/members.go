package frame

import (
	"encoding/json"
	"strconv"
)

// Members is the data of EventMembers: who is present in a topic. It has one of three
// forms: all members, the changes since the last Members, or the count alone.
type Members struct {
	Topic string `json:"topic"`
	Count int    `json:"count"`

	All     bool     `json:"-"`       // Members are all that there are; Joined and Left do not count
	Members []Member `json:"members"` // if All

	// Without All, the changes. If there are none, this is the count alone.
	Joined []Member `json:"joined"` // they came, or have another info
	Left   []string `json:"left"`   // the keys of those who left
}

// A Member is one session that is present in a topic.
type Member struct {
	Key  string          `json:"key"`
	Info json.RawMessage `json:"info"` // nil, and null on the wire, for none
}

// AppendMembers appends the notice of who is present in a topic. It does not bound the
// data. If it has more than MaxControl bytes, the caller sends the count alone.
func AppendMembers(dst []byte, m *Members) []byte {
	dst = appendString(append(appendControl(dst, EventMembers), `{"topic":`...), m.Topic)
	dst = strconv.AppendInt(append(dst, `,"count":`...), int64(m.Count), 10)

	switch {
	case m.All:
		dst = appendMembers(append(dst, `,"members":`...), m.Members)
	case len(m.Joined)+len(m.Left) > 0:
		dst = appendMembers(append(dst, `,"joined":`...), m.Joined)
		dst = appendStrings(append(dst, `,"left":`...), m.Left)
	}
	return append(dst, "}\n\n"...)
}

// ParseMembers parses the data of EventMembers.
func ParseMembers(data []byte) (Members, error) {
	var m Members
	if err := json.Unmarshal(data, &m); err != nil {
		return Members{}, err
	}

	m.All = m.Members != nil
	for _, list := range [][]Member{m.Members, m.Joined} {
		for i := range list {
			list[i].Info = infoOf(list[i].Info)
		}
	}
	return m, nil
}

func appendMembers(dst []byte, list []Member) []byte {
	dst = append(dst, '[')
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(append(dst, `{"key":`...), list[i].Key)
		dst = appendInfo(append(dst, `,"info":`...), list[i].Info)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
