package session

import "context"

// Value returns what the application made of the request behind a callback: the Value of
// the Attach, Upstream or Quit that a transport passed for it. ctx is the callback's.
//
//   - OnOpen, OnAttach and OnGap: that of the link's Attach.
//   - OnMessage: that of the Upstream.
//   - OnDetach: that of the reader's last link on this node, or of its Quit.
//   - OnEnd after Quit: that of the Quit.
//
// It is nil where no request of this node is known: the application itself opened or
// ended the session, the session expired, or the reader was at a node that died.
func Value(ctx context.Context) any { return ctx.Value(valueKey{}) }

// WithValue returns a context in which Value finds v: for tests of callbacks.
func WithValue(ctx context.Context, v any) context.Context {
	return context.WithValue(ctx, valueKey{}, v)
}

type valueKey struct{}

// callbackContext is the context of a callback behind which there is a request with that
// value, or none if it is nil.
func (m *Manager) callbackContext(value any) context.Context {
	if value == nil {
		return m.ctx
	}
	return WithValue(m.ctx, value)
}
