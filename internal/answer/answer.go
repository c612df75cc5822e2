package answer

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// retryAfter is how long a client waits before it retries with a server that cannot serve
// it now.
const retryAfter = 2 * time.Second

// table maps each error of a session to its response (W6). The texts are for clients.
var table = []struct {
	err    error
	status int
	reason string
	retry  time.Duration
}{
	{session.ErrInput, 400, "the request is malformed: see docs/protocol.md", 0},
	{store.ErrAhead, 400, "the acknowledged position is beyond what was ever sent", 0},
	{store.ErrEvent, 400, "the event's name is reserved or malformed: see docs/protocol.md", 0},
	{frame.ErrEncoding, 400, "a payload is not what its encoding field says", 0},
	{session.ErrSettling, 503, "the id has just changed: come back soon", retryAfter},
	{store.ErrNotFound, 401, "no such link: open a new one", 0},
	{store.ErrSuperseded, 401, "the client is on a newer link: open a new one", 0},
	{store.ErrRenewed, 401, "the link is to be renewed: open a new one", 0},
	{store.ErrMoved, 401, "the session has a new id: open a new link", 0},
	{session.ErrOrder, 409, "a message is missing before this one: send from the expected number on", 0},
	{store.ErrRevoked, 410, "the id was revoked", 0},
	{session.ErrTooLarge, 413, "a message is larger than this server takes", 0},
	{frame.ErrTooLarge, 413, "a message is larger than this server takes", 0},
	{session.ErrRate, 429, "too many messages: slow down", time.Second},
	{session.ErrLinkRate, 429, "too many new links: come back later", 5 * time.Second},
	{store.ErrCrowded, 429, crowded, session.CrowdedRetry},
	{session.ErrClosed, 503, "the server is going away: come back", time.Second},
	{session.ErrBusy, 503, "too much is under way: send it again", time.Second},
	{store.ErrBudget, 503, "no room for a new session or tab: come back later", 5 * retryAfter},
	{store.ErrUncertain, 503, "the outcome is not known: send it again", retryAfter},
	{context.Canceled, 503, "the request was given up", retryAfter},
	{context.DeadlineExceeded, 503, "that took too long: come back", retryAfter},
}

const crowded = "all links of this session are taken by its other tabs: close one, or come back later"

// Refuse answers a request that failed with err, in a form that its client can read.
// Nothing else may be written to w.
func Refuse(w http.ResponseWriter, r *http.Request, err error) {
	refuse.Write(w, r, Of(err))
}

// Of returns the response to err.
func Of(err error) refuse.Refusal {
	if e, ok := errors.AsType[*middleware.Error](err); ok {
		return refuse.Refusal{Status: e.Status, Code: e.Code(), Reason: e.Reason, Retry: e.RetryAfter}
	}
	code := session.Reason(err)
	switch {
	case errors.Is(err, frame.ErrEncoding):
		code = "encoding"
	case errors.Is(err, frame.ErrTooLarge):
		code = session.Reason(session.ErrTooLarge)
	}
	for _, a := range table {
		if errors.Is(err, a.err) {
			return refuse.Refusal{Status: a.status, Code: code, Reason: a.reason, Retry: a.retry}
		}
	}
	return refuse.Refusal{
		Status: http.StatusServiceUnavailable, Code: code, Reason: "the session store failed: come back",
		Retry: retryAfter,
	}
}
