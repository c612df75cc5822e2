package miragetest

import (
	"context"
	"errors"

	"github.com/mirage-go/mirage/client"
)

// Send queues a message, as the page's script does, and does not wait for the server. A
// string or []byte is the data itself, the latter as bytes. Any other value is sent as
// JSON. The event "message" is that of a message without a name.
func (t *Tab) Send(event string, data any) {
	t.v.s.tb.Helper()
	t.v.s.settle()
	m := client.Message{Event: event}
	switch v := data.(type) {
	case string:
		m.Data = []byte(v)
	case []byte:
		m.Data, m.Binary = v, true
	default:
		var err error
		if m, err = client.JSON(event, v); err != nil {
			t.v.s.tb.Fatalf("miragetest: Send: %v", err)
		}
	}
	if event == "message" {
		m.Event = ""
	}

	ctx, cancel := context.WithTimeout(context.Background(), t.v.s.patience())
	defer cancel()
	if err := t.Client().Send(ctx, m); err != nil {
		t.fail("%s cannot send %q: %v", t.name, event, err)
	}
}

// Emit sends a message whose data is v in JSON, and returns when the application has
// handled it. The test ends if it was refused, or if its handler failed.
func (t *Tab) Emit(event string, v any) {
	t.v.s.tb.Helper()
	if err := t.emit(event, v); err != nil {
		t.fail("%s: the server has not handled %q: %v", t.name, event, err)
	}
}

// ExpectEmitRefused sends a message like Emit, and ends the test unless it is refused
// with that status. The status is 500 if the handler failed.
func (t *Tab) ExpectEmitRefused(event string, v any, status int) *client.Error {
	t.v.s.tb.Helper()
	err := t.emit(event, v)
	e, ok := errors.AsType[*client.Error](err)
	switch {
	case err == nil:
		t.fail("%s: the server has handled %q, want status %d", t.name, event, status)
	case !ok || e.Status != status:
		t.fail("%s: the server has not handled %q: %v, want status %d", t.name, event, err, status)
	}
	return e
}

func (t *Tab) emit(event string, v any) error {
	t.v.s.settle()
	ctx, cancel := context.WithTimeout(context.Background(), t.v.s.patience())
	defer cancel()
	return t.Client().Emit(ctx, event, v)
}

// ExpectReturned waits until messages of Send come back, because the server does not get
// them or their handler has failed. It returns them with the reason.
func (t *Tab) ExpectReturned() *client.ReturnedError {
	t.v.s.tb.Helper()
	it := t.next("messages that come back", func(it *item) bool { return isError[*client.ReturnedError](it.err) })
	returned, _ := errors.AsType[*client.ReturnedError](it.err)
	return returned
}
