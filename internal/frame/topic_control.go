package frame

import (
	"strconv"

	"github.com/mirage-go/mirage/store"
)

// Joined is the data of EventJoined: the client is a member of the topic, and what the
// topic retained at the join came before this event.
type Joined struct {
	Topic    string `json:"topic"`
	Position string `json:"position"`         // up to which the client has everything
	Lost     *Range `json:"lost"`             // what the client will never get, nil if nothing
	Reason   string `json:"reason,omitempty"` // why it is lost; on the wire only with Lost
	Key      string `json:"key,omitempty"`    // the client's own key among the members, if the topic has presence
}

// Left is the data of EventLeft: the client is not a member of the topic, or no longer.
// It also answers a join that was refused.
type Left struct {
	Topic  string `json:"topic"`
	Status int    `json:"status"` // an HTTP status; after 429 and 503, the client joins again
	Reason string `json:"reason"`
	Code   string `json:"code"` // the word for why
	// Retry is how many milliseconds the client waits before it joins again. 0 leaves it
	// to the client, and is not sent.
	Retry int64 `json:"retry,omitempty"`
}

// AppendTopicGap appends the gap of a topic: the messages in lost are missing, and the
// client continues after id, the text of its positions.
func AppendTopicGap(dst []byte, topic string, lost store.Lost, reason string, id []byte) []byte {
	dst = appendString(append(appendControl(dst, EventGap), `{"topic":`...), topic)
	dst = appendRange(append(dst, ','), RangeOf(lost))
	dst = appendString(append(dst, `,"reason":`...), reason)
	return appendIDText(append(dst, "}\n"...), id)
}

// AppendJoined appends the notice that the client has joined a topic. id is as in
// AppendTopicEntry.
func AppendJoined(dst []byte, j *Joined, id []byte) []byte {
	dst = appendString(append(appendControl(dst, EventJoined), `{"topic":`...), j.Topic)
	dst = appendString(append(dst, `,"position":`...), j.Position)
	dst = appendLost(append(dst, `,"lost":`...), j.Lost)
	if j.Lost != nil {
		dst = appendString(append(dst, `,"reason":`...), j.Reason)
	}
	if j.Key != "" {
		dst = appendString(append(dst, `,"key":`...), j.Key)
	}
	return appendIDText(append(dst, "}\n"...), id)
}

// AppendLeft appends the notice that the client is not a member of a topic. id is as in
// AppendTopicEntry.
func AppendLeft(dst []byte, l *Left, id []byte) []byte {
	dst = appendString(append(appendControl(dst, EventLeft), `{"topic":`...), l.Topic)
	dst = strconv.AppendInt(append(dst, `,"status":`...), int64(l.Status), 10)
	dst = appendString(append(dst, `,"reason":`...), l.Reason)
	dst = appendString(append(dst, `,"code":`...), l.Code)
	if l.Retry > 0 {
		dst = strconv.AppendInt(append(dst, `,"retry":`...), l.Retry, 10)
	}
	return appendIDText(append(dst, "}\n"...), id)
}
