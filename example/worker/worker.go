package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mirage-go/mirage/client"
)

// work does jobs until ctx ends, or the server refuses this worker.
func work(ctx context.Context, o settings) error {
	log, err := openLog(o.state + ".log")
	if err != nil {
		return err
	}
	defer log.file.Close()

	ask := make(chan struct{}, 1)
	c, err := client.Dial(ctx, o.work, client.Options{
		Persist:   client.FileStore(o.state), // the place in the session, and answers on their way
		AskSigned: true,                      // the id is in the file, too
		MaxDelay:  5 * time.Second,
		Header: func(context.Context) (http.Header, error) {
			token, err := os.ReadFile(o.token)
			return http.Header{"Authorization": {"Bearer " + strings.TrimSpace(string(token))}}, err
		},
		OnState: func(s client.State) {
			slog.Info("worker", "phase", s.Phase, "transport", s.Transport, "error", s.Err)
			if s.Phase == client.PhaseOpen { // the server may have been started again
				wake(ask)
			}
		},
	})
	if err != nil {
		return err
	}
	defer func() { // the session stays, and the state has what the server has not taken
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = c.Close(ctx)
	}()
	go sayReady(ctx, c, ask, filepath.Base(o.state))

	for m, err := range c.Messages(ctx) {
		if lost, ok := errors.AsType[*client.LostError](err); ok {
			slog.Warn("jobs are lost: the server gives them out again", "reason", lost.Reason)
			continue
		}
		if returned, ok := errors.AsType[*client.ReturnedError](err); ok {
			slog.Warn("answers of an earlier worker were not taken", "error", returned)
			continue
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil // somebody stops the program
			}
			return err
		}
		if m.Event == "ready?" {
			wake(ask)
		} else if err := handle(ctx, c, log, m); err != nil && ctx.Err() == nil {
			slog.Error("a job comes again later", "error", err)
		}
	}
	return nil
}

// sayReady asks for jobs whenever wake is called.
func sayReady(ctx context.Context, c *client.Client, ask <-chan struct{}, name string) {
	for {
		select {
		case <-ask:
			if err := c.Emit(ctx, "ready", map[string]string{"name": name}); err != nil && ctx.Err() == nil {
				slog.Error("saying that the worker is ready", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// wake lets sayReady ask, at once or after what it is doing.
func wake(ask chan<- struct{}) {
	select {
	case ask <- struct{}{}:
	default: // it is about to
	}
}

// handle does a job and answers it. The message is acknowledged when handle has returned.
// If the worker is killed before that, the message comes again, with m.Again.
//
// A worker that is stopped for longer than a lease in the middle of a job completes it
// nevertheless. If that must not happen, give the job's number to whatever the job
// changes, such as a database, and let that refuse a second time. The clocks of worker
// and server must agree to a few seconds.
func handle(ctx context.Context, c *client.Client, log *workLog, m client.Message) error {
	var t task
	if err := json.Unmarshal(m.Data, &t); err != nil {
		return err
	}
	again := m.Again || t.Again // this message came before, or another one with this job
	answer, known := "", false
	if again { // only then is it worth looking
		answer, known = log.answers[t.Job]
	}
	switch {
	case known: // only the answer may be missing
	case time.Now().After(t.Until): // the server is about to give it to another worker, or has done so
		slog.Warn("a job comes too late, or the clocks differ", "job", t.Job, "late", time.Since(t.Until))
		return nil
	default:
		answer = solve(t.Text)
		if err := log.add(entry{Job: t.Job, Again: again, Answer: answer, At: time.Now()}); err != nil {
			return err
		}
	}
	return c.Emit(ctx, "answer", map[string]any{"job": t.Job, "answer": answer})
}

// solve does the work: it finds a number that solves the text.
func solve(text string) string {
	for n := 0; ; n++ {
		if answer := strconv.Itoa(n); solves(text, answer) {
			return answer
		}
	}
}

// solves reports whether the hash of text and answer begins with twelve zero bits.
func solves(text, answer string) bool {
	sum := sha256.Sum256([]byte(text + " " + answer))
	return sum[0] == 0 && sum[1] < 16
}
