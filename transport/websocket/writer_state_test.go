package websocket

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/writers"
)

func stateOf(w *writer) state {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

// L1: the states of a writer until its last one, and what the client reads.
func TestL1WriterStates(t *testing.T) {
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.DiscardHandler))

	const closed1012, closed1002 = "\x88\x02\x03\xf4", "\x88\x02\x03\xea"
	for _, tt := range []struct {
		name   string
		act    func(w *writer, client net.Conn)
		before state // after act
		after  time.Duration
		want   state // that long after
		text   string
	}{
		{"finish", func(w *writer, _ net.Conn) { w.finish(1002, "") }, stateClosed, 0, stateClosed, closed1002},
		{"only the first end counts", func(w *writer, _ net.Conn) { w.finish(1002, ""); w.finish(1012, "") },
			stateClosed, 0, stateClosed, closed1002},
		{"the answer goes first", func(w *writer, _ net.Conn) {
			w.setHandling(true)
			w.finish(1012, "")
			w.reply([]byte("a\n\n"))
			w.setHandling(false)
		}, stateClosed, 0, stateClosed, "\x81\x03a\n\n" + closed1012},
		{"the answer has five seconds", func(w *writer, _ net.Conn) {
			w.setHandling(true)
			w.finish(1012, "")
		}, stateAnswering, closeWait, stateClosed, closed1012},
		{"the answer is not waited for with another code", func(w *writer, _ net.Conn) {
			w.setHandling(true)
			w.finish(1002, "")
		}, stateClosed, 0, stateClosed, closed1002},
		{"the reader leaves before the answer", func(w *writer, _ net.Conn) {
			w.setHandling(true)
			w.finish(1012, "")
			w.leave(true)
		}, stateClosed, 0, stateClosed, closed1012},
		{"no close frame", func(w *writer, _ net.Conn) { w.Schedule(w.Close) }, stateGone, 0, stateGone, ""},
		{"the reader leaves", func(w *writer, _ net.Conn) { w.leave(false) }, stateGone, 0, stateGone, ""},
		{"a write fails", func(w *writer, client net.Conn) {
			client.Close()
			w.reply([]byte("a\n\n"))
		}, stateGone, 0, stateGone, ""},
		{"the close frame fails", func(w *writer, client net.Conn) {
			client.Close()
			w.finish(1002, "")
		}, stateGone, 0, stateGone, ""},
		{"a panic", func(w *writer, _ net.Conn) { w.Schedule(func() { panic("no") }) }, stateGone, 0, stateGone, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, client := net.Pipe()
				defer client.Close()
				defer server.Close()
				closed := 0
				w := newWriter(new(writers.Pool), server, time.Minute, 0, noFrame, func() { closed++ })
				text := make(chan string, 1)
				go func() {
					got, err := io.ReadAll(client)
					if err != nil && !errors.Is(err, io.ErrClosedPipe) {
						t.Error(err)
					}
					text <- string(got)
				}()

				tt.act(w, client)
				synctest.Wait()
				if got := stateOf(w); got != tt.before {
					t.Errorf("state %d, want %d", got, tt.before)
				}

				time.Sleep(tt.after)
				synctest.Wait()
				if got := stateOf(w); got != tt.want || closed != 1 {
					t.Errorf("state %d, want %d; closed %d times", got, tt.want, closed)
				}

				if err := w.Write([]byte("late\n\n")); !errors.Is(err, net.ErrClosed) {
					t.Errorf("a write after the end: %v", err)
				}
				server.Close()
				if got := <-text; got != tt.text {
					t.Errorf("the client read %q, want %q", got, tt.text)
				}
			})
		})
	}
}
