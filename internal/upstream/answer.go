package upstream

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/mirage-go/mirage/internal/answer"
	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/session"
)

// refusal returns the response to an error of Parse or Receive.
func refusal(err error) refuse.Refusal {
	switch {
	case err == nil:
		return refuse.Refusal{Status: http.StatusOK}
	case errors.Is(err, ErrSize):
		return refuse.Refusal{
			Status: http.StatusRequestEntityTooLarge, Code: "too-large",
			Reason: "the body is larger than this server takes: send fewer messages at once",
		}
	case errors.Is(err, errCount):
		return refuse.Refusal{
			Status: http.StatusRequestEntityTooLarge, Code: "too-many",
			Reason: "more messages than this server takes at once: send fewer",
		}
	case errors.Is(err, errData):
		return refuse.Refusal{
			Status: http.StatusBadRequest, Code: "malformed",
			Reason: "a block has no data line: a message that is empty has an empty one",
		}
	}
	return answer.Of(err)
}

// AppendAnswer appends the content of the response to a POST as a block.
func AppendAnswer(dst []byte, got session.Receipt, err error) []byte {
	no := refusal(err)
	dst = append(dst, "event: "+frame.EventAck+"\ndata: {\"status\":"...)
	dst = strconv.AppendInt(dst, int64(no.Status), 10)
	dst = appendReceipt(append(dst, ','), got)
	if no.Reason != "" {
		detail, _ := json.Marshal(no.Reason) // cannot fail for a string
		dst = append(append(dst, `,"detail":`...), detail...)
	}
	if no.Status == http.StatusConflict {
		dst = strconv.AppendUint(append(dst, `,"expected":`...), got.Accepted+1, 10)
	}
	if retry := max(no.Retry, got.Retry); retry > 0 {
		dst = strconv.AppendInt(append(dst, `,"retry":`...), retry.Milliseconds(), 10)
	}
	if no.Code != "" {
		dst = append(append(append(dst, `,"code":"`...), no.Code...), '"')
	}
	return append(dst, "}\n\n"...)
}

// appendReceipt appends the members of a JSON object.
func appendReceipt(dst []byte, got session.Receipt) []byte {
	dst = strconv.AppendUint(append(dst, `"accepted":`...), got.Accepted, 10)
	if len(got.Failed) > 0 {
		failed, _ := json.Marshal(got.Failed) // cannot fail for numbers
		dst = append(append(dst, `,"failed":`...), failed...)
	}
	return dst
}
