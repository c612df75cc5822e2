package session

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/mirage-go/mirage/store"
)

// hookUnavailable is the refusal of a join about which the hook has not decided.
func hookUnavailable(topic string) store.TopicNotice {
	return refusal(topic, http.StatusServiceUnavailable, "failed to authorize the join: come back")
}

// askHook asks OnJoin, which may change j. The hook runs on its own goroutine, because it
// may not return in time. Until it returns, it keeps its slot.
func (a asker) askHook(j *Join) store.TopicNotice {
	m := a.s.m
	if m.o.OnJoin == nil {
		return refusal(j.Topic, http.StatusForbidden, "this server lets no client join: Options.OnJoin is not set")
	}
	e := Event{Kind: EventHook, Hook: "OnJoin", Session: a.s.id, Reader: a.info.Reader, Topic: j.Topic}
	began := m.stopwatch()
	n, err := a.runHook(j)
	if n.Status != 0 {
		e.Reason = n.Code()
	}
	e.Duration, e.Err = m.since(began), err
	m.emit(e)
	return n
}

// runHook is askHook without an Observer. The error is what OnJoin returned.
func (a asker) runHook(j *Join) (store.TopicNotice, error) {
	m := a.s.m
	ctx, cancel := context.WithTimeout(handlerContext{m.ctx, a.request, a.value}, m.o.HookTimeout)
	defer cancel()
	select {
	case m.hooks <- struct{}{}:
	case <-ctx.Done():
		return hookUnavailable(j.Topic), ctx.Err()
	}

	answered := make(chan error, 1)
	asked := *j
	about := append(a.s.logAttrs(a.info), "topic", j.Topic)
	m.work.Go(func() {
		err := errNoAnswer // stays if the hook panics or calls runtime.Goexit
		defer func() {
			<-m.hooks
			answered <- err
		}()
		m.call("OnJoin", func() { err = m.o.OnJoin(ctx, a.s, &asked) }, about...)
	})

	select {
	case err := <-answered:
		if ctx.Err() == nil {
			if err == nil {
				*j = asked
				return a.checkInfo(j), nil
			}
			return a.hookRefusal(j.Topic, err), err
		}
	case <-ctx.Done():
	}
	return hookUnavailable(j.Topic), ctx.Err()
}

var errNoAnswer = errors.New("session: the hook ended without an answer")

// checkInfo checks what OnJoin made of the info.
func (a asker) checkInfo(j *Join) store.TopicNotice {
	if j.Info == nil || len(j.Info) <= MaxInfo && json.Valid(j.Info) {
		return store.TopicNotice{}
	}
	a.s.m.o.Logger.Error("session: OnJoin set an Info that is no JSON of at most 1 KiB",
		append(a.s.logAttrs(a.info), "topic", j.Topic)...)
	return hookUnavailable(j.Topic)
}

// hookRefusal maps an error of OnJoin to what the client gets.
func (a asker) hookRefusal(topic string, err error) store.TopicNotice {
	if errors.Is(err, errNoAnswer) {
		return hookUnavailable(topic)
	}
	e, ok := errors.AsType[interface {
		error
		HTTPStatus() (status int, reason string, retryAfter time.Duration)
	}](err)
	if !ok {
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return hookUnavailable(topic)
		}
		return refusal(topic, http.StatusForbidden, "the join was refused")
	}
	status, reason, retry := e.HTTPStatus()
	if status < 400 || status > 599 {
		return hookUnavailable(topic)
	}
	n := refusal(topic, status, reason)
	n.Retry = retry.Milliseconds()
	return n
}
