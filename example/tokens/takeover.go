package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/mirage-go/mirage"
)

// newHolder names the holder of a claim. The process is there for people who look into
// Redis.
func newHolder() string { return fmt.Sprint(os.Getpid(), "-", rand.Text()) }

// hold renews the claim of an answer until ctx ends. It stops the answer if somebody
// pressed Stop on another node, and if the claim was lost, because the answer is not this
// node's any more.
func (a *answers) hold(ctx context.Context, conversation string, r *running) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		switch stopped, err := a.store.renew(ctx, conversation, r.holder); {
		case errors.Is(err, errLost):
			r.stop()
			return
		case stopped == r.turn:
			r.stop()
		}
	}
}

// takeOverAll interrupts the answers of nodes that died, until ctx ends. The pages are
// told about a second after the lease.
func (a *answers) takeOverAll(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		conversations, err := a.store.abandoned(ctx)
		for _, c := range conversations {
			err = errors.Join(err, a.takeOver(ctx, c))
		}
		if err != nil && ctx.Err() == nil {
			slog.Warn("the answers of a node that died are not taken over", "error", err)
		}
	}
}

// takeOver completes the work of a node that died. It does nothing if somebody holds the
// claim of the conversation.
func (a *answers) takeOver(ctx context.Context, conversation string) error {
	holder := newHolder()
	if err := a.store.claim(ctx, conversation, holder); errors.Is(err, errBusy) {
		return nil
	} else if err != nil {
		return err
	}
	turns, err := a.store.turns(ctx, conversation)
	if err == nil && len(turns) > 0 {
		err = a.settle(ctx, conversation, holder, turns[len(turns)-1])
	}
	return errors.Join(err, a.store.release(ctx, conversation, holder, err == nil))
}

// settle ends the last turn of a conversation, in the store and on all pages. holder
// holds the claim. A turn that is still Answering was interrupted: its answer is what was
// streamed.
//
// So the store gets an answer only at the end. The topic has each piece anyway, and its
// text is what the pages show.
func (a *answers) settle(ctx context.Context, conversation, holder string, t Turn) error {
	streamed, err := a.seal(ctx, conversation, t.ID)
	if err != nil {
		return err
	}
	if t.State == Answering {
		t.State, t.Answer = Interrupted, streamed
	}

	// First the store, then the topic: pages that learn of the end find it in the store.
	if err := a.store.put(ctx, conversation, holder, t); err != nil {
		return err
	}
	return a.tell(ctx, conversation, t, streamed != t.Answer)
}

// seal completes the message of an answer, and returns its text. From then on nobody can
// write into the message, not even a slow node that does not know yet that it has lost
// its claim.
func (a *answers) seal(ctx context.Context, conversation, turn string) (string, error) {
	topic := a.topic(conversation)
	if err := topic.Stream(ctx, "answer", turn).Close(); err != nil && !errors.Is(err, mirage.ErrSealed) {
		return "", err
	}
	history, err := topic.History(ctx)
	for _, p := range history.Messages {
		if p.Message.Event == "answer" && p.Message.Key == turn {
			return string(p.Message.Data), err
		}
	}
	return "", err
}
