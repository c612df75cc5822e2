package upstream

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/mirage-go/mirage/internal/answer"
	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
)

// refusal returns the response to an error of Parse or Receive.
func refusal(err error) (status int, reason string, retry time.Duration) {
	switch {
	case err == nil:
		return http.StatusOK, "", 0
	case errors.Is(err, ErrSize):
		return http.StatusRequestEntityTooLarge,
			"the body is larger than this server takes: send fewer messages at once", 0
	case errors.Is(err, errCount):
		return http.StatusRequestEntityTooLarge, "more messages than this server takes at once: send fewer", 0
	case errors.Is(err, errData):
		return http.StatusBadRequest, "a block has no data line: a message that is empty has an empty one", 0
	}
	return answer.Of(err)
}

// AppendAnswer appends the content of the response to a POST as a block.
func AppendAnswer(dst []byte, got session.Receipt, err error) []byte {
	status, reason, retry := refusal(err)
	dst = append(dst, "event: "+frame.EventAck+"\ndata: {\"status\":"...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = appendReceipt(append(dst, ','), got)
	if reason != "" {
		quoted, _ := json.Marshal(reason) // cannot fail for a string
		dst = append(append(dst, `,"detail":`...), quoted...)
	}
	if status == http.StatusConflict {
		dst = strconv.AppendUint(append(dst, `,"expected":`...), got.Accepted+1, 10)
	}
	if retry = max(retry, got.Retry); retry > 0 {
		dst = strconv.AppendInt(append(dst, `,"retry":`...), retry.Milliseconds(), 10)
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
