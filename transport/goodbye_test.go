package transport_test

import (
	"context"
	"testing"
	"time"
)

// L1, W2: a polling client that says goodbye and comes back under its id leaves nothing behind that Shutdown would wait for.
func TestL1ShutdownAfterGoodbye(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		b := w.browser()
		tab := b.tab()
		tab.poll("25")
		if a := b.do("DELETE", tab.query(""), "", "Mirage-Link", tab.token()); a.status != 204 {
			t.Fatal(a.status)
		}
		b.tab().poll("25")
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		if err := w.m.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}
