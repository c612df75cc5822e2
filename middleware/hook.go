package middleware

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/mirage-go/mirage/internal/cid"
)

// What a hook does, for logs and reasons.
const (
	validating = "validate"
	generating = "generate"
)

var errNoAnswer = errors.New("the hook ended without an answer")

// run calls one hook, and returns when it answers or ctx ends. The hook has a goroutine
// of its own, because it may not return when it should; until it does, it keeps one of
// the slots.
func (m *Middleware) run(
	ctx context.Context, r *http.Request, what string, hook func(*http.Request) (string, error),
) (string, *Error) {
	select {
	case m.slots <- struct{}{}:
	default:
		m.o.Count("busy")
		return "", retryable(http.StatusServiceUnavailable, "too many requests at once to "+what+" the id")
	}

	type answer struct {
		id  string
		err error
	}
	done := make(chan answer, 1)
	go func() {
		a := answer{err: errNoAnswer} // stays if the hook calls runtime.Goexit
		defer func() {
			if p := recover(); p != nil {
				m.o.Logger.Error("mirage: hook panicked",
					"hook", what, "panic", p, "path", short(r.URL.Path), "remote", r.RemoteAddr,
					"client", cid.Name(parseQuery(r.URL.RawQuery).cid), "stack", string(debug.Stack()))
				a.err = fmt.Errorf("%w: panic", errNoAnswer)
			}
			<-m.slots
			done <- a
		}()
		a.id, a.err = hook(r.WithContext(ctx))
	}()

	select {
	case a := <-done:
		if ctx.Err() == nil {
			return a.id, m.hookError(what, a.err)
		}
	case <-ctx.Done():
	}

	return "", m.interrupted(what, ctx.Err()) // also for an answer that came just then: late answers have no effect
}

// short bounds what a stranger has chosen and a log shows.
func short(s string) string { return s[:min(len(s), 128)] }

// hookError makes of a hook's error what the client gets (I5).
func (m *Middleware) hookError(what string, err error) *Error {
	decided, ok := errors.AsType[*Error](err)
	switch {
	case err == nil:
		return nil
	case ok && decided.Status >= 400 && decided.Status <= 599:
		m.o.Count("refused")
		return decided.complete()
	case ok, what == generating, errors.Is(err, errNoAnswer), isContext(err):
		return m.failed(what, err)
	}
	m.o.Count("refused")
	return &Error{Status: http.StatusForbidden, Reason: "the id was refused"}
}

// failed is for what went wrong on our side: the client may try again, and the reason is
// for the log alone.
func (m *Middleware) failed(what string, err error) *Error {
	if isContext(err) {
		return m.interrupted(what, err)
	}
	m.o.Count("failed")
	m.o.Logger.Warn("mirage: failed to "+what+" an id", "err", err)
	return retryable(http.StatusServiceUnavailable, "failed to "+what+" the id")
}

// interrupted is for what was not there in time, or before the client left.
func (m *Middleware) interrupted(what string, err error) *Error {
	if errors.Is(err, context.Canceled) {
		m.o.Count("left")
	} else {
		m.o.Count("timeout")
	}
	return retryable(http.StatusServiceUnavailable, "failed to "+what+" the id in a timely manner")
}

func isContext(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
