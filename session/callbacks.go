package session

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// call runs a callback that returns nothing, and logs its panic with the attributes
// about, which identify the session and the reader.
func (m *Manager) call(name string, f func(), about ...any) {
	defer func() {
		if v := recover(); v != nil {
			m.logPanic(name, v, about...)
		}
	}()
	f()
}

// logPanic logs the panic of a callback, with the stack of its caller.
func (m *Manager) logPanic(callback string, v any, about ...any) {
	what := append([]any{"callback", callback, "panic", fmt.Sprint(v)}, about...)
	m.o.Logger.Error("session: callback panicked", append(what, "stack", string(debug.Stack()))...)
}

// callOnMessage runs OnMessage, and returns its panic as an error. The client learns only
// that the handler failed, so the reason is logged here.
func (m *Manager) callOnMessage(ctx context.Context, s *Session, in Incoming) (err error) {
	if m.o.OnMessage == nil {
		return errors.New("session: Options.OnMessage is not set")
	}

	e := Event{
		Kind: EventHandled, Session: s.id, Reader: in.Reader, Writer: in.Writer, To: in.Number,
		Messages: 1, Bytes: int64(len(in.Data)), Trace: in.Trace,
	}
	ctx, done := m.trace(ctx, e)
	began := m.stopwatch()
	defer func() {
		if v := recover(); v != nil {
			err, e.Reason = fmt.Errorf("session: OnMessage panicked: %v", v), ReasonPanicked
			m.logPanic("OnMessage", v, "session", m.logID(s.id), "writer", in.Writer, "number", in.Number)
		}
		e.Duration, e.Err = m.since(began), err
		done(err)
		m.emit(e)
	}()

	if err = m.o.OnMessage(ctx, s, in); err != nil {
		e.Reason = ReasonFailed
		m.logFailed(&e, err)
	}
	return err
}

// handlerContext ends with the Manager's context, and has the values of the request's. To
// make one does not register a child with the Manager's context, which all requests
// share.
type handlerContext struct {
	context.Context
	request context.Context
	value   any // for Value
}

func (c handlerContext) Value(key any) any {
	if key == (valueKey{}) {
		return c.value
	}
	if v := c.Context.Value(key); v != nil { // package context looks up the cancellation by a key of its own
		return v
	}
	return c.request.Value(key)
}
