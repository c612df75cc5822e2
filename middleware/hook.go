package middleware

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/mirage-go/mirage/internal/cid"
)

// The actions of hooks, for logs and reasons.
const (
	validating = "validate"
	generating = "generate"
)

var errNoAnswer = errors.New("the hook ended without an answer")

// run calls one hook, and returns when it answers or ctx ends. The hook runs on its own
// goroutine, because it may not return in time. Until it returns, it keeps one of the
// slots.
func (m *Middleware) run(
	ctx context.Context, r *http.Request, what string, hook func(*http.Request) (string, error),
) (string, *Error) {
	select {
	case m.slots <- struct{}{}:
	default:
		m.o.Count("busy")
		return "", unavailable("busy", "too many requests at once to "+what+" the id")
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

	return "", m.interrupted(what, ctx.Err()) // also if an answer came just then: late answers have no effect
}

// short bounds text that a stranger has chosen, for logs.
func short(s string) string { return s[:min(len(s), 128)] }

// hookError maps a hook's error to the client's response (I5).
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

// failed returns the refusal for a failure on our side. The client may retry. The reason
// is only logged.
func (m *Middleware) failed(what string, err error) *Error {
	if isContext(err) {
		return m.interrupted(what, err)
	}
	m.o.Count("failed")
	m.o.Logger.Warn("mirage: failed to "+what+" an id", "error", err)
	return unavailable("failed", "failed to "+what+" the id")
}

// interrupted returns the refusal for an answer that was not there in time, or not before
// the client left.
func (m *Middleware) interrupted(what string, err error) *Error {
	code := "timeout"
	if errors.Is(err, context.Canceled) {
		code = "left"
	}
	m.o.Count(code)
	return unavailable(code, "failed to "+what+" the id in a timely manner")
}

func isContext(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
