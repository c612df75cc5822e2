package session

import "context"

// Value returns the application's value of the request behind a callback: the field Value
// of the Attach, Upstream or Quit that a transport passed for it. ctx is the callback's.
//
//   - OnOpen, OnAttach and OnGap: that of the link's Attach.
//   - OnMessage: that of the Upstream.
//   - OnDetach: that of the reader's last link on this node, or of its Quit.
//   - OnEnd after Quit: that of the Quit.
//
// It is nil if this node knows no such request: the application itself opened or ended
// the session, the session expired, or the reader's node died.
func Value(ctx context.Context) any { return ctx.Value(valueKey{}) }

// WithValue returns a context in which Value finds v. It is meant for tests of callbacks.
func WithValue(ctx context.Context, v any) context.Context {
	return context.WithValue(ctx, valueKey{}, v)
}

type valueKey struct{}

// callbackContext returns the context of a callback for a request with that value. A nil
// value means that there is none.
func (m *Manager) callbackContext(value any) context.Context {
	if value == nil {
		return m.ctx
	}
	return WithValue(m.ctx, value)
}
